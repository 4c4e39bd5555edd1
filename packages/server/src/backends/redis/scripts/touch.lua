-- Prolongs seats of one channel.
--
-- KEYS     clock (see clock.lua), seats, states, members, rev, due (see seats.lua)
-- ARGV[4]  ttl      (ms)
-- ARGV[5]  owner    (the node that keeps them from now on; empty: the same as before)
-- ARGV[6]  channel
-- ARGV[7+] seats    ("client member")
-- returns  { renamed 0|1, state or false, ... }
-- cost     O(seats given x log seats)

local ttl, owner, channel = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local reply = { renamed }
local found = false
for i = 7, #ARGV do
  local stored = redis.call('HGET', states, ARGV[i])
  local state = false
  if stored then
    local _
    _, state = owner_and_state(stored)
    if owner ~= '' then redis.call('HSET', states, ARGV[i], owner .. ' ' .. state) end
    redis.call('ZADD', seats, text(now + ttl), ARGV[i])
    found = true
  end
  reply[#reply + 1] = state
end
if found then
  expects(channel, now + ttl)
  keep(ttl)
end
return reply
