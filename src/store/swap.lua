-- Every step of a ticket: compares, then writes and tells, or does nothing. Returns 0: nothing written; 1: written;
-- 2: written, and the event dropped because its queue is full.
-- KEYS: row, anchor, view index; then the older row, only with a mint that ends one, or the queue of events, only with an
--       event: while a slot moves, a key that does not exist yet makes the whole call wait
-- ARGV: version, before, anchor must name ("*": any), take the anchor ("1"), new row, forget at, name, channel,
--       announcement, forget the view index at, event ("": none), most events, milliseconds that they are kept,
--       older version, new older row, older forget at, older announcement
-- A row begins with its version; '' is the version of none.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if ARGV[2] ~= '' and now >= tonumber(ARGV[2]) then return 0 end
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then return 0 end
if ARGV[3] ~= '*' and (redis.call('GET', KEYS[2]) or '') ~= ARGV[3] then return 0 end
local older = ARGV[14] and KEYS[4]
if older and redis.call('GETRANGE', older, 0, 7) ~= ARGV[14] then return 0 end
redis.call('SET', KEYS[1], ARGV[5], 'PXAT', ARGV[6])
redis.call('SET', KEYS[3], ARGV[7], 'PXAT', ARGV[10])
if ARGV[4] == '1' then redis.call('SET', KEYS[2], ARGV[7], 'PXAT', ARGV[6]) end
redis.call('PUBLISH', ARGV[8], ARGV[9])
if older then
  redis.call('SET', older, ARGV[15], 'PXAT', ARGV[16])
  redis.call('PUBLISH', ARGV[8], ARGV[17])
end
if ARGV[11] == '' then return 1 end
if redis.call('LLEN', KEYS[4]) >= tonumber(ARGV[12]) then return 2 end
redis.call('RPUSH', KEYS[4], ARGV[11])
redis.call('PEXPIRE', KEYS[4], ARGV[13])
return 1
