-- The streams that kept these seats of one channel are gone: they expire soon, unless another node has them by now.
--
-- KEYS     clock (see clock.lua), seats, states, members, rev, due (see seats.lua)
-- ARGV[4]  owner
-- ARGV[5]  grace    (ms)
-- ARGV[6]  channel
-- ARGV[7+] seats    ("client member")
-- returns  { renamed 0|1 }
-- cost     O(seats given x log seats)

local expires = now + tonumber(ARGV[5])
for i = 7, #ARGV do
  local stored = redis.call('HGET', states, ARGV[i])
  if stored and owner_and_state(stored) == ARGV[4] then
    redis.call('ZADD', seats, 'XX', 'LT', text(expires), ARGV[i])
    expects(ARGV[6], expires)
  end
end
return { renamed }
