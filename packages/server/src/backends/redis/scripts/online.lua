-- Marks identities as connected, and drops some of those whose time is over.
--
-- KEYS[1]  clock    (hash, see clock.lua)
-- KEYS[2]  online   (sorted set: identity -> ms until which it counts as connected)
-- ARGV[4]  ttl      (ms)
-- ARGV[5+] identities
-- returns  { renamed 0|1 }
-- cost     O(identities x log online)

local online, ttl = KEYS[2], tonumber(ARGV[4])
local REST = 86400000
-- Beyond as many as are added: a million may expire at once.
local MORE = 500

-- Whoever is marked again moves from there to the end first.
for i = 5, #ARGV do redis.call('ZADD', online, 'GT', string.format('%.0f', now + ttl), ARGV[i]) end
local expired = redis.call('ZCOUNT', online, '-inf', string.format('%.0f', now))
if expired > 0 then redis.call('ZREMRANGEBYRANK', online, 0, math.min(expired, #ARGV - 4 + MORE) - 1) end
if redis.call('PTTL', online) < ttl + REST then redis.call('PEXPIRE', online, string.format('%.0f', ttl + REST)) end
return { renamed }
