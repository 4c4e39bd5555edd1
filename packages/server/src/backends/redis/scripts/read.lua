-- Reads the logs of several channels of one partition at one moment.
--
-- KEYS[1]      clock     (hash, see clock.lua)
-- KEYS[2k]     log       (stream) of request k = 1, 2, ...
-- KEYS[2k+1]   last      (string) of request k
-- ARGV[4]      expected  (id of the epoch that the positions belong to; empty when unknown: then nothing is read)
-- ARGV[5]      page      (count; most entries of one channel)
-- ARGV[6]      bytes     (about how many the whole answer may have; each channel still gets its first entry)
-- ARGV[3k+4]   after     (id; empty: the newest `last` entries) of request k
-- ARGV[3k+5]   last      (count) of request k
-- ARGV[3k+6]   life      (ms) of request k
-- returns      { epoch, past, head, renamed 0|1, { last, more 0|1, entries } ... }; no answers when `expected` is another epoch
-- cost         O(entries returned) and O(requests)

local expected, page, bytes = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local head = id_of(ms, n)
local reply = { epoch, past, head, renamed }
if expected ~= epoch then return reply end

local CHUNK = 16
-- What an entry weighs beside its body: ids, field names, and the work.
local ENTRY = 128

local function newest(log, count)
  local found = count > 0 and redis.call('XREVRANGE', log, '+', '-', 'COUNT', count) or {}
  for i = 1, math.floor(#found / 2) do
    found[i], found[#found - i + 1] = found[#found - i + 1], found[i]
  end
  return found
end

-- One page after an id, and 1 when the log goes on behind it.
local function after(log, from)
  local found = {}
  while true do
    local count = bytes <= 0 and 1 or math.min(CHUNK, page - #found)
    local chunk = redis.call('XRANGE', log, '(' .. from, '+', 'COUNT', count)
    for i = 1, #chunk do
      found[#found + 1] = chunk[i]
      local fields = chunk[i][2]
      bytes = bytes - #fields[#fields] - ENTRY
    end
    if #chunk < count then return found, 0 end
    from = chunk[#chunk][1]
    if #found >= page or bytes <= 0 then
      return found, #redis.call('XRANGE', log, '(' .. from, '+', 'COUNT', 1)
    end
  end
end

for k = 1, (#KEYS - 1) / 2 do
  local log, last = KEYS[2 * k], redis.call('GET', KEYS[2 * k + 1])
  local from, count, life = ARGV[3 * k + 4], tonumber(ARGV[3 * k + 5]), tonumber(ARGV[3 * k + 6])
  local entries, more = {}, 0
  if from == '' then
    entries = newest(log, count)
  else
    entries, more = after(log, from)
  end
  reply[#reply + 1] = { last or forgotten(life, ms, n), more, entries }
end
return reply
