-- Adds what a process has counted to the totals of all, once for each push however often it is sent, and notes the
-- process's gauges with the time of this server.
-- KEYS: the hash. ARGV: the process, the number of the push, the gauges, then a field and its increment, and so on.
local entry = 'process ' .. ARGV[1]
local before = redis.call('HGET', KEYS[1], entry)
if not before or string.match(before, '^%S+') ~= ARGV[2] then
  for i = 4, #ARGV, 2 do
    redis.call('HINCRBYFLOAT', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('HSET', KEYS[1], entry, ARGV[2] .. ' ' .. redis.call('TIME')[1] .. ' ' .. ARGV[3])
redis.call('EXPIRE', KEYS[1], 2592000)  -- a month after the last process
return 1
