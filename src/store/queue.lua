-- How many events a shard has, and the oldest of them. KEYS: queue. ARGV: the index of the last one to return.
return { redis.call('LLEN', KEYS[1]), redis.call('LRANGE', KEYS[1], 0, ARGV[1]) }
