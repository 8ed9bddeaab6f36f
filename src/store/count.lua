-- One code more of a user: the generic cell rate algorithm, in microseconds.
-- KEYS: the user. ARGV: one code's share, the whole allowance. Returns the time in milliseconds, and how long to wait.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local counted = tonumber(redis.call('GET', KEYS[1]) or '0')
-- Further ahead than a whole allowance: the clock was set back since. It would shut the user out for as long.
if counted > now + ARGV[2] then counted = 0 end
local whole_at = math.max(counted, now) + ARGV[1]
local over = whole_at - now - ARGV[2]
if over <= 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', whole_at), 'PXAT', string.format('%.0f', math.ceil(whole_at / 1000)))
  over = 0
end
return { math.floor(now / 1000), over }
