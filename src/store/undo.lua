-- A step of an undo: compares, then writes and tells, or does nothing. Where there is no row, its remainder is the row.
-- KEYS: row, remainder, view index
-- ARGV: version, new row, forget at, name, channel, announcement
local version = redis.call('GETRANGE', KEYS[1], 0, 7)
if version == '' then version = redis.call('GETRANGE', KEYS[2], 0, 7) end
if version ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
redis.call('SET', KEYS[3], ARGV[4], 'PXAT', ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
