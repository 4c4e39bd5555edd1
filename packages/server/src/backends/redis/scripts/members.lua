-- The members of a channel with their states.
--
-- KEYS[1]  clock    (hash, see clock.lua)
-- KEYS[2]  members  (hash, see seats.lua)
-- KEYS[3]  rev      (string: id of the newest change)
-- returns  { epoch, rev, renamed 0|1, member, "client client ...\nstate", ... }
-- cost     O(members)

local reply = { epoch, redis.call('GET', KEYS[3]) or '0-0', renamed }
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all do reply[#reply + 1] = all[i] end
return reply
