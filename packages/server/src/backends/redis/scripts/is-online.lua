-- Which identities are connected.
--
-- KEYS[1]  clock    (hash, see clock.lua)
-- KEYS[2]  online   (sorted set, see online.lua)
-- ARGV[4+] identities
-- returns  { renamed 0|1, 0|1, ... }
-- cost     O(identities)

local reply = { renamed }
for i = 4, #ARGV do
  local expires = redis.call('ZSCORE', KEYS[2], ARGV[i])
  reply[#reply + 1] = expires and tonumber(expires) > now and 1 or 0
end
return reply
