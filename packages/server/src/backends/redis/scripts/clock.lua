-- The partition's clock: stands before every script (scripts.ts joins them, behind a line that says whether PUBLISH is sharded) and
-- brings the clock into the right epoch.
--
-- KEYS[1]  clock     (hash: ms, n = the newest id; epoch; identity = whose data this is; past = "epoch end epoch end ...")
-- ARGV[1]  identity  ("run_id:master_replid" of the connection that runs the script; empty when INFO is forbidden)
-- ARGV[2]  random    (20 random bits, the low bits of a new n; Redis' own random repeats itself)
-- ARGV[3]  floor     (id; the newest that the caller ever saw of this partition)
-- leaves   ms, n, epoch, past, renamed (1 when this call ended an epoch of another identity) and stamp(), write_clock(), forgotten()
-- cost     O(1)

local SEQUENCE = 1048576
local MOST_PER_MS = 4503599627370496
local PAST_KEPT = 8

local identity = ARGV[1]
local random = tonumber(ARGV[2])

local function parse(id)
  local ms, n = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(n)
end

local function newer(ms, n, than_ms, than_n)
  return ms > than_ms or (ms == than_ms and n > than_n)
end

local function id_of(ms, n)
  return string.format('%.0f-%.0f', ms, n)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local floor_ms, floor_n = parse(ARGV[3])

local stored = redis.call('HMGET', KEYS[1], 'ms', 'n', 'epoch', 'identity', 'past')
local ms, n, epoch, past = tonumber(stored[1] or ''), tonumber(stored[2] or ''), stored[3], stored[5] or ''
local renamed = 0

-- Moves the clock to an id that is newer than its newest and than every one given as ms, n, ms, n, ...
local function stamp(...)
  local seen = { ... }
  for i = 1, #seen, 2 do
    if newer(seen[i], seen[i + 1], ms, n) then ms, n = seen[i], seen[i + 1] end
  end
  if now > ms then
    ms, n = now, random
  elseif n >= MOST_PER_MS then
    ms, n = ms + 1, random
  else
    n = (math.floor(n / SEQUENCE) + 1) * SEQUENCE + random
  end
  return id_of(ms, n)
end

-- What the newest id of a channel that has none stored is surely not newer than: an id is kept until the clock has passed it
-- by `life`, and none is newer than the head.
local function forgotten(life, head_ms, head_n)
  local since = math.max(0, math.max(now, ms) - life)
  if newer(since, 0, head_ms, head_n) then return id_of(head_ms, head_n) end
  return id_of(since, 0)
end

local function write_clock()
  redis.call('HSET', KEYS[1], 'ms', string.format('%.0f', ms), 'n', string.format('%.0f', n))
end

-- Another Redis process, or another master, may have lost acknowledged writes and kept every key: a new epoch. Where INFO
-- is forbidden only evidence is left: somebody saw an id that this clock has not reached.
local known = ms and n and epoch
if not known or stored[4] ~= identity or (identity == '' and newer(floor_ms, floor_n, ms, n)) then
  if known then
    past = past .. (past == '' and '' or ' ') .. epoch .. ' ' .. id_of(ms, n)
    local words = {}
    for word in string.gmatch(past, '%S+') do words[#words + 1] = word end
    past = table.concat(words, ' ', math.max(1, #words - 2 * PAST_KEPT + 1))
  else
    ms, n, past = 0, 0, ''
  end
  epoch = stamp(floor_ms, floor_n)
  renamed = known and stored[4] ~= identity and 1 or 0
  write_clock()
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'identity', identity, 'past', past)
end
