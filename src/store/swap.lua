-- Every step of a ticket: compares, then writes and tells, or does nothing.
-- KEYS: row, anchor, view index, older row (only with a mint that ends one)
-- ARGV: version, before, anchor must name ("*": any), take the anchor ("1"), state, record ("": kept), page,
--       forget at, name, channel, older version, older state, older forget at, older name
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if ARGV[2] ~= '' and now >= tonumber(ARGV[2]) then return 0 end
if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then return 0 end
if ARGV[3] ~= '*' and (redis.call('GET', KEYS[2]) or '') ~= ARGV[3] then return 0 end
if KEYS[4] and (redis.call('HGET', KEYS[4], 'v') or '0') ~= ARGV[11] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[1] + 1, 's', ARGV[5], 'p', ARGV[7])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'r', ARGV[6]) end
redis.call('PEXPIREAT', KEYS[1], ARGV[8])
redis.call('SET', KEYS[3], ARGV[9], 'PXAT', ARGV[8])
if ARGV[4] == '1' then redis.call('SET', KEYS[2], ARGV[9], 'PXAT', ARGV[8]) end
redis.call('PUBLISH', ARGV[10], ARGV[9])
if KEYS[4] then
  redis.call('HSET', KEYS[4], 'v', ARGV[11] + 1, 's', ARGV[12])
  redis.call('PEXPIREAT', KEYS[4], ARGV[13])
  redis.call('PUBLISH', ARGV[10], ARGV[14])
end
return 1
