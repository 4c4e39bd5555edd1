-- A page of the identities that are connected and fit a glob.
--
-- KEYS[1]  clock    (hash, see clock.lua)
-- KEYS[2]  online   (sorted set, see online.lua)
-- ARGV[4]  cursor   (of ZSCAN; 0: from the beginning)
-- ARGV[5]  glob
-- ARGV[6]  count    (identities looked at, about)
-- returns  { renamed 0|1, next cursor (0: the end), identity, ... }
-- cost     O(count)

local scanned = redis.call('ZSCAN', KEYS[2], ARGV[4], 'MATCH', ARGV[5], 'COUNT', ARGV[6])
local reply = { renamed, scanned[1] }
for i = 1, #scanned[2], 2 do
  if tonumber(scanned[2][i + 1]) > now then reply[#reply + 1] = scanned[2][i] end
end
return reply
