-- Takes a seat in a channel, or changes the state of one.
--
-- KEYS     clock (see clock.lua), seats, states, members, rev, due (see seats.lua)
-- ARGV[4]  client
-- ARGV[5]  member
-- ARGV[6]  owner    (the node that keeps it; empty: the one that had it)
-- ARGV[7]  state    (JSON text)
-- ARGV[8]  ttl      (ms)
-- ARGV[9]  channel
-- ARGV[10] announce (pub/sub channel)
-- ARGV[11] most     (clients of one member)
-- returns  { entered 0|1, renamed 0|1 }
-- cost     O(log seats), and O(clients of the member)

local client, member, owner, state, ttl, channel = ARGV[4], ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
local seat = client .. ' ' .. member

local stored = redis.call('HGET', states, seat)
local clients, shown = clients_of(member)
if not stored and #clients >= tonumber(ARGV[11]) then return { 0, renamed } end

local before
if stored then
  local kept
  kept, before = owner_and_state(stored)
  if owner == '' then owner = kept end
end
redis.call('HSET', states, seat, owner .. ' ' .. state)
if before ~= state or not shown then
  take(clients, client)
  clients[#clients + 1] = client
  redis.call('HSET', members, member, table.concat(clients, ' ') .. '\n' .. state)
  if not shown then
    change('enter', member, state)
  elseif shown ~= state then
    change('update', member, state)
  end
end
redis.call('ZADD', seats, 'GT', text(now + ttl), seat)
expects(channel, now + ttl)
keep(ttl)
announce(ARGV[10])
return { 1, renamed }
