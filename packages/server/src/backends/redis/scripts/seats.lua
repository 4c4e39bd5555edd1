-- The seats of one channel and what members see of them: stands behind clock.lua in the scripts that change seats (scripts.ts joins them).
--
-- KEYS[2]  seats    (sorted set: "client member" -> ms at which it expires)
-- KEYS[3]  states   (hash: "client member" -> "owner state")
-- KEYS[4]  members  (hash: member -> "client client ...\nstate"; the client that set a state last comes last, and the state is its)
-- KEYS[5]  rev      (string: id of the newest change)
-- KEYS[6]  due      (sorted set of the partition: channel -> ms before which none of its seats expires)
-- leaves   remove(), change(), announce(), keep(), expects() and what they need

local seats, states, members, rev, due = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
-- How much longer than a seat the keys are kept.
local REST = 86400000

local changes = {}

local function change(action, member, state)
  changes[#changes + 1] = '{"action":"' .. action .. '","member":' .. cjson.encode(member) .. ',"state":' .. state .. '}'
end

local function text(ms)
  return string.format('%.0f', ms)
end

-- "client member": a client's name holds no blank.
local function parts_of(seat)
  local at = string.find(seat, ' ', 1, true)
  return string.sub(seat, 1, at - 1), string.sub(seat, at + 1)
end

local function owner_and_state(stored)
  local at = string.find(stored, ' ', 1, true)
  return string.sub(stored, 1, at - 1), string.sub(stored, at + 1)
end

-- The clients of a member, oldest state first, and its state; no clients: it is not there.
local function clients_of(member)
  local stored = redis.call('HGET', members, member)
  local clients = {}
  if not stored then return clients, nil end
  local at = string.find(stored, '\n', 1, true)
  for client in string.gmatch(string.sub(stored, 1, at - 1), '%S+') do clients[#clients + 1] = client end
  return clients, string.sub(stored, at + 1)
end

local function take(clients, client)
  for i = 1, #clients do
    if clients[i] == client then
      table.remove(clients, i)
      return
    end
  end
end

local function remove(seat)
  local client, member = parts_of(seat)
  redis.call('ZREM', seats, seat)
  redis.call('HDEL', states, seat)
  local clients, state = clients_of(member)
  if not state then return end
  take(clients, client)
  local newest = clients[#clients] and redis.call('HGET', states, clients[#clients] .. ' ' .. member)
  if not newest then
    redis.call('HDEL', members, member)
    change('leave', member, state)
    return
  end
  local _, next = owner_and_state(newest)
  redis.call('HSET', members, member, table.concat(clients, ' ') .. '\n' .. next)
  if next ~= state then change('update', member, next) end
end

-- At most one of the channel's seats may expire before.
local function expects(channel, expires)
  redis.call('ZADD', due, 'LT', text(expires), channel)
end

local function keep(ttl)
  for _, key in ipairs({ seats, states, members, rev }) do redis.call('PEXPIRE', key, text(ttl + REST)) end
end

-- All changes of this call, under one id. Last of all, as every PUBLISH.
local function announce(target)
  if #changes == 0 then return end
  local prev = redis.call('GET', rev) or '0-0'
  local prev_ms, prev_n = parse(prev)
  local id = stamp(floor_ms, floor_n, prev_ms, prev_n)
  write_clock()
  redis.call('SET', rev, id, 'PX', text(2 * REST))
  redis.call(PUBLISH, target, 'm ' .. id .. ' ' .. prev .. ' ' .. epoch .. '\n[' .. table.concat(changes, ',') .. ']')
end
