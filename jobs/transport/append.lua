-- Every write to the event log of one job.
--
-- log    the Stream: entry id `<sequence number>-1`, field `f` with the frame
-- fence  the attempt that may append
-- new    a rebuilt log, for `swap` only
local log, fence, new = KEYS[1], KEYS[2], KEYS[3]
-- mode   take: no older attempt may append from here on; nothing else sets the fence. Whoever deletes a job removes its
--              row before its keys, so an attempt that asks the row after `take` cannot bring a deleted job's text back
--        append: add the frames that are not there yet, and publish just those
--        swap: put a rebuilt log in place, and tell readers to look at it
-- attempt, life (ms to live of log and fence), channel (where frames are published)
local mode, attempt, life, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
-- For append: how many frames the log must hold before these, the number of the last of them and of the first of these,
-- and the frames. A number alone does not tell of frames that are missing before it, nor do as many others.
local held, before, first, FRAMES = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), 8

local function last_number()
  local reply = redis.pcall('XREVRANGE', log, '+', '-', 'COUNT', 1)
  local entry = not reply.err and reply[1]  -- an error: something else sits on the key, and a swap replaces it
  return entry and tonumber(string.match(entry[1], '^%d+')) or -1
end

-- Answers {status, last number in the log, subscribers of the channel}.
local owner = tonumber(redis.call('GET', fence) or '0')
if owner > attempt then return {'stale', owner, 0} end  -- invariant 4
if mode == 'take' then
  redis.call('SET', fence, attempt, 'PX', life)
  return {'ok', last_number(), 0}
end
local tail = last_number()
if owner < attempt then return {'lost', tail, 0} end
if mode == 'swap' then
  redis.call('RENAME', new, log)
  redis.call('PEXPIRE', log, life)
  redis.call('PEXPIRE', fence, life)
  redis.call('PUBLISH', channel, '')
  return {'ok', last_number(), 0}
end
if redis.call('XLEN', log) < held or tail < before then return {'lost', tail, 0} end  -- invariant 2
local from = FRAMES + math.max(0, tail - first + 1)
for i = from, #ARGV do redis.call('XADD', log, string.format('%d-1', first + i - FRAMES), 'f', ARGV[i]) end
local listeners = 0
if from <= #ARGV then
  redis.call('PEXPIRE', log, life)
  redis.call('PEXPIRE', fence, life)
  local message = string.format('%d\n', first + from - FRAMES) .. table.concat(ARGV, '', from)
  listeners = redis.call('PUBLISH', channel, message)
end
return {'ok', first + #ARGV - FRAMES, listeners}
