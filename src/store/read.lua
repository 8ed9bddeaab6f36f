-- A row, with the time of the same moment.
local t = redis.call('TIME')
return { t[1] * 1000 + math.floor(t[2] / 1000), redis.call('GET', KEYS[1]) }
