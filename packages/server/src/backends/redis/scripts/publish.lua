-- Stores one publication and announces it, or answers with the id that its messageId was stored under before.
--
-- KEYS[1]  clock   (hash, see clock.lua)
-- KEYS[2]  log     (stream: p = prev, b = body)
-- KEYS[3]  last    (string: the channel's newest id)
-- KEYS[4]  dedupe  (string: the id that this messageId was stored under)
-- ARGV[4]  body    (text)
-- ARGV[5]  size    (count; the log keeps at least so many)
-- ARGV[6]  ttl     (ms; the log keeps at least what is younger)
-- ARGV[7]  life    (ms; how long `last` is kept)
-- ARGV[8]  dedupe  (ms; how long the messageId is remembered)
-- ARGV[9]  announce (pub/sub channel)
-- returns  { id, duplicate 0|1, renamed 0|1 }
-- cost     O(1), and O(entries trimmed)

local log, last, dedupe = KEYS[2], KEYS[3], KEYS[4]
local body, size, ttl, life, remember, announce =
  ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8], ARGV[9]

local before = redis.call('GET', dedupe)
if before then return { before, 1, renamed } end

local prev = redis.call('GET', last)
local prev_ms, prev_n = 0, 0
if prev then prev_ms, prev_n = parse(prev) end

local head_ms, head_n = ms, n
local id = stamp(floor_ms, floor_n, prev_ms, prev_n)
if not prev then prev = forgotten(life, head_ms, head_n) end

-- The clock first: whatever fails below, an id is never handed out twice. PUBLISH last: nothing is announced that is not stored.
write_clock()
local added = redis.pcall('XADD', log, 'MAXLEN', '~', size, id, 'p', prev, 'b', body)
if added.err then
  if not string.find(added.err, 'equal or smaller', 1, true) then return added end
  -- The clock was lost and the log was not.
  local info = redis.call('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then id = stamp(parse(info[i + 1])) end
  end
  write_clock()
  redis.call('XADD', log, 'MAXLEN', '~', size, id, 'p', prev, 'b', body)
end
redis.call('XTRIM', log, 'MINID', '~', string.format('%.0f', math.max(0, ms - ttl)))
redis.call('PEXPIRE', log, string.format('%.0f', math.max(1000, ttl)))
-- By the id's time and not by a duration: when `last` is gone the clock has surely passed id + life, which is what a
-- `prev` made of (clock - life) claims.
redis.call('SET', last, id, 'PXAT', string.format('%.0f', ms + life + 1))
redis.call('SET', dedupe, id, 'PX', remember)
redis.call(PUBLISH, announce, 'p ' .. id .. ' ' .. prev .. ' ' .. epoch .. '\n' .. body)
return { id, 0, renamed }
