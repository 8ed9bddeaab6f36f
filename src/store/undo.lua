-- A step of an undo: compares, then writes and tells, or does nothing. Where there is no row, its remainder is the row.
-- Returns as swap.lua.
-- KEYS: row, remainder, view index, queue of events (only with an event)
-- ARGV: version, new row, forget at, name, channel, announcement, event ("": none), most events, milliseconds that they
--       are kept
local version = redis.call('GETRANGE', KEYS[1], 0, 7)
if version == '' then version = redis.call('GETRANGE', KEYS[2], 0, 7) end
if version ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
redis.call('SET', KEYS[3], ARGV[4], 'PXAT', ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[6])
if ARGV[7] == '' then return 1 end
if redis.call('LLEN', KEYS[4]) >= tonumber(ARGV[8]) then return 2 end
redis.call('RPUSH', KEYS[4], ARGV[7])
redis.call('PEXPIRE', KEYS[4], ARGV[9])
return 1
