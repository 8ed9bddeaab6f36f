-- A row, with the time of the same moment.
local t = redis.call('TIME')
local row = redis.call('HMGET', KEYS[1], 'v', 's', 'r', 'p')
return { t[1] * 1000 + math.floor(t[2] / 1000), row[1], row[2], row[3], row[4] }
