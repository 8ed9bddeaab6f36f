-- Every step of a ticket: compares, then writes and tells, or does nothing.
-- KEYS: row, anchor, view index, older row (only with a mint that ends one)
-- ARGV: version, before, anchor must name ("*": any), take the anchor ("1"), new row, forget at, name, channel,
--       announcement, forget the view index at, older version, new older row, older forget at, older announcement
-- A row begins with its version; '' is the version of none.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if ARGV[2] ~= '' and now >= tonumber(ARGV[2]) then return 0 end
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then return 0 end
if ARGV[3] ~= '*' and (redis.call('GET', KEYS[2]) or '') ~= ARGV[3] then return 0 end
if KEYS[4] and redis.call('GETRANGE', KEYS[4], 0, 7) ~= ARGV[11] then return 0 end
redis.call('SET', KEYS[1], ARGV[5], 'PXAT', ARGV[6])
redis.call('SET', KEYS[3], ARGV[7], 'PXAT', ARGV[10])
if ARGV[4] == '1' then redis.call('SET', KEYS[2], ARGV[7], 'PXAT', ARGV[6]) end
redis.call('PUBLISH', ARGV[8], ARGV[9])
if KEYS[4] then
  redis.call('SET', KEYS[4], ARGV[12], 'PXAT', ARGV[13])
  redis.call('PUBLISH', ARGV[8], ARGV[14])
end
return 1
