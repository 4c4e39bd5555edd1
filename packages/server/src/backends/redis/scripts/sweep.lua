-- Removes the seats of one channel that expired, and tells of the members that went with them.
--
-- KEYS     clock (see clock.lua), seats, states, members, rev, due (see seats.lua)
-- KEYS[7]  pulse    (hash, see pulse.lua)
-- ARGV[4]  channel
-- ARGV[5]  announce (pub/sub channel)
-- ARGV[6]  most     (seats of one call)
-- returns  { more 0|1, renamed 0|1 }
-- cost     O(expired x log seats)

local pulse = redis.call('HMGET', KEYS[7], 'at', 'hold', 'epoch', 'gap')
local at, hold, gap = tonumber(pulse[1] or ''), tonumber(pulse[2] or ''), tonumber(pulse[4] or '')
-- Behind an older pulse the store may have been away.
if not at or not hold or not gap or hold > now or now - at > gap or pulse[3] ~= epoch then return { 0, renamed } end

local expired = redis.call('ZRANGE', seats, '-inf', text(now), 'BYSCORE', 'LIMIT', 0, ARGV[6])
for i = 1, #expired do remove(expired[i]) end
local next = redis.call('ZRANGE', seats, 0, 0, 'WITHSCORES')
if next[1] then
  redis.call('ZADD', due, next[2], ARGV[4])
else
  redis.call('ZREM', due, ARGV[4])
end
announce(ARGV[5])
return { next[1] and tonumber(next[2]) <= now and 1 or 0, renamed }
