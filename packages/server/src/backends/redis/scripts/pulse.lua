-- A node says that it is there, and learns which channels may have expired seats and whether absence proves anything.
--
-- KEYS[1]  clock    (hash, see clock.lua)
-- KEYS[2]  pulse    (hash: at = ms of the newest pulse of any node; epoch at that time; hold = ms until which nobody is swept; gap = ms)
-- KEYS[3]  due      (sorted set, see seats.lua)
-- ARGV[4]  before   (the epoch that this node's last pulse was answered with; empty: none)
-- ARGV[5]  ttl      (ms of a seat)
-- ARGV[6]  gap      (ms without a pulse after which the store was away)
-- ARGV[7]  most     (channels)
-- ARGV[8]  claim    (ms for which the channels are left to this caller)
-- returns  { epoch, hold in ms, renamed 0|1, channel, ... }
-- cost     O(log channels)

local pulse, due = KEYS[2], KEYS[3]
local ttl, gap = tonumber(ARGV[5]), tonumber(ARGV[6])

local last = redis.call('HMGET', pulse, 'at', 'epoch', 'hold')
local at, before, hold = tonumber(last[1] or ''), last[2], tonumber(last[3] or '') or 0
-- Seats expired although their nodes were there: nobody could say so.
local away = redis.call('ZCARD', due) > 0 and (not at or now - at > gap)
-- Seats may be lost with the data: their nodes bring them again.
local other = (before and before ~= epoch) or (ARGV[4] ~= '' and ARGV[4] ~= epoch)
if away or other then hold = now + ttl end
-- The clock may have stepped back.
hold = math.min(hold, now + ttl)

local function text(ms)
  return string.format('%.0f', ms)
end

redis.call('HSET', pulse, 'at', text(now), 'epoch', epoch, 'hold', text(hold), 'gap', text(gap))
for _, key in ipairs({ pulse, due }) do redis.call('PEXPIRE', key, text(ttl + 86400000)) end
local reply = { epoch, math.max(0, hold - now), renamed }
if hold <= now then
  local found = redis.call('ZRANGE', due, '-inf', text(now), 'BYSCORE', 'LIMIT', 0, ARGV[7])
  for i = 1, #found do
    redis.call('ZADD', due, text(now + tonumber(ARGV[8])), found[i])
    reply[#reply + 1] = found[i]
  end
end
return reply
