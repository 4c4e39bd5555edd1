-- Marks identities as connected.
--
-- KEYS[1]  clock    (hash, see clock.lua)
-- KEYS[2]  online   (sorted set: identity -> ms until which it counts as connected)
-- ARGV[4]  ttl      (ms)
-- ARGV[5+] identities
-- returns  { renamed 0|1 }
-- cost     O(identities x log online)

for i = 5, #ARGV do redis.call('ZADD', KEYS[2], 'GT', string.format('%.0f', now + tonumber(ARGV[4])), ARGV[i]) end
return { renamed }
