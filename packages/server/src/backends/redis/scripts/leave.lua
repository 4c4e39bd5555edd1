-- Gives a seat up.
--
-- KEYS     clock (see clock.lua), seats, states, members, rev, due (see seats.lua)
-- ARGV[4]  seat     ("client member")
-- ARGV[5]  announce (pub/sub channel)
-- ARGV[6]  channel
-- returns  { renamed 0|1 }
-- cost     O(log seats), and O(clients of the member)

if redis.call('HEXISTS', states, ARGV[4]) == 1 then remove(ARGV[4]) end
if redis.call('ZCARD', seats) == 0 then redis.call('ZREM', due, ARGV[6]) end
announce(ARGV[5])
return { renamed }
