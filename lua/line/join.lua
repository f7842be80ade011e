#!lua
-- join: gives each of a batch of buyers a place in a line, in order, in one atomic step.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 line_key          hash
--       4 places_key        hash
--       5 log_key           stream
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 buyers...         1 to 256 times: buyer_id text
-- RETURNS  {'FENCED'} | {'UNKNOWN_LINE'} | {'OK', now_ms, code...}, a code per buyer:
--          JOINED|<index> | REPLAYED|<index> | FULL | CLOSED | GONE | VOID | AVAILABLE
-- LOGS     line_join, rows `buyer_id`, i index of the first one; when one was JOINED
--
-- A buyer has one place: joining again is a replay, and after leaving a new place at the end. The
-- first call after the opening fixes n0, the number of those who came before it. AVAILABLE: nobody
-- waits for a unit that returns while units can be had, and nobody is waiting for them.

--!include now
--!include books
--!include log
--!include line

local epoch_key, drop_key, line_key = KEYS[1], KEYS[2], KEYS[3]
local places_key, log_key = KEYS[4], KEYS[5]
local argv = ARGV
local epoch, drop_id = argv[1], argv[2]
local count = #argv - 2

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop, line = read_drop(drop_key), read_line(line_key)
if not drop or not line then
  return {'UNKNOWN_LINE'}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
check_log(log_key)
local buyers = {}
for i = 1, count do
  buyers[i] = argv[2 + i]
end
local known = redis.call('HMGET', places_key, unpack(buyers))

local now = now_ms()
local refusal
if line.state == 'gone' then
  refusal = 'GONE'
elseif line.state == 'void' then
  refusal = 'VOID'
elseif drop.state == 'closed' or now >= drop.closes_ms then
  refusal = 'CLOSED'
elseif line.mode == 'waitlist' and drop.available > 0 and line.serving == line.n then
  refusal = 'AVAILABLE'
end

local reply, fresh, places, rows = {'OK', now}, {}, {}, {}
local first = line.n
for i = 1, count do
  local buyer = buyers[i]
  local place = fresh[buyer] or known[i]
  if place and not string.match(place, '|l$') then
    reply[2 + i] = 'REPLAYED|' .. place
  elseif refusal then
    reply[2 + i] = refusal
  elseif line.n >= line.capacity then
    reply[2 + i] = 'FULL'
  else
    local index = string.format('%d', line.n)
    fresh[buyer] = index
    local n = #rows
    places[2 * n + 1], places[2 * n + 2] = buyer, index
    rows[n + 1] = buyer
    line.n = line.n + 1
    reply[2 + i] = 'JOINED|' .. index
  end
end
if #rows == 0 then
  return reply
end

if not line.n0 and now >= drop.opens_ms then
  redis.call('HSET', line_key, 'n0', first)
end
redis.call('HSET', line_key, 'n', line.n)
redis.call('HSET', places_key, unpack(places))
append_log(log_key, 'line_join', epoch, drop_id, now, drop, table.concat(rows, ';'), 'i', first)
return reply
