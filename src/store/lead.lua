-- Takes or renews the lease of the process that delivers events.
-- KEYS: lease. ARGV: the process, milliseconds. Returns 1 if it holds the lease now.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
