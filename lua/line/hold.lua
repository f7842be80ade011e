#!lua
-- hold: holds a unit for each of the next people in line, in one atomic step with the books.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 buyers_key        hash
--       4 reservations_key  hash
--       5 due_key           zset
--       6 line_key          hash
--       7 places_key        hash
--       8 turns_key         zset
--       9 log_key           stream
--       10 campaigns_key     hash
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 serving           positions served so far, as the caller knows it
--       4 next people...    0 to 256 times, in their order: rid text, buyer_id text, index
-- RETURNS  {'FENCED'} | {'UNKNOWN_LINE'} | {code, now_ms, serving, expires_ms, rid...}, the rids of
--          new holds, the code one of
--          SERVED | IDLE | MOVED | NOT_OPEN | PAUSED | GONE | VOID | REVIVED
-- LOGS     line_hold, rows `rid|buyer_id|quantity`, p price_fen, x expires_ms, i first position,
--          u the first position without; when a unit was held. line_serve, row `first|until`; when
--          people were served, but none got a unit. line_end and line_revive as in serve
--
-- Only for lines that hold units: draws and waitlists. Who has left, or has had what a buyer may
-- have, is passed over; the next one gets the unit. A hold lasts turn_ms. Holding again is a replay:
-- the rid of a place is always the same.

--!include now
--!include books
--!include selling
--!include log
--!include holdings
--!include campaign
--!include line
--!include line_end

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, due_key, line_key = KEYS[4], KEYS[5], KEYS[6]
local places_key, turns_key, log_key = KEYS[7], KEYS[8], KEYS[9]
local campaigns_key = KEYS[10]
local argv = ARGV
local epoch, drop_id, serving = argv[1], argv[2], tonumber(argv[3])
local count = (#argv - 3) / 3

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop, line = read_drop(drop_key), read_line(line_key)
if not drop or not line then
  return {'UNKNOWN_LINE'}
end
local now = now_ms()
if line.state == 'void' then
  return {'VOID', now, line.serving, 0}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
redis.call('ZCARD', turns_key)
redis.call('ZCARD', due_key)
check_log(log_key)

local refusal = why_not_selling(drop, now)
local state = next_state(drop, line, refusal)
if state then
  local code = change_line(line_key, log_key, epoch, drop_id, now, drop, line, state)
  return {code, now, line.serving, 0}
elseif line.state == 'gone' then
  return {'GONE', now, line.serving, 0}
elseif line.state == 'gathering' then
  return {'NOT_OPEN', now, line.serving, 0}
elseif refusal then
  return {refusal, now, line.serving, 0}
elseif line.serving ~= serving then
  return {'MOVED', now, line.serving, 0}
end
count = math.min(count, line.n - serving)
if count <= 0 or drop.available == 0 or line.mode == 'turns' then
  return {'IDLE', now, serving, 0}
end

local rids, buyers = {}, {}
for i = 1, count do
  rids[i], buyers[i] = argv[3 * i + 1], argv[3 * i + 2]
end
local records = redis.call('HMGET', reservations_key, unpack(rids))
local holdings = redis.call('HMGET', buyers_key, unpack(buyers))
local campaign = read_campaign(drop, campaigns_key, buyers)
local places = redis.call('HMGET', places_key, unpack(buyers))

local expires_ms = now + line.turn_ms
local terms = string.format('|1|%.0f|%.0f', drop.price_fen, expires_ms)
local reply = {'SERVED', now, 0, expires_ms}
local passed, taken = 0, 0
local fresh, units, expired, used, holders = {}, {}, {}, {}, {}
local new_records, new_due, new_rows = {}, {}, {}
for i = 1, count do
  if taken == drop.available then
    break
  end
  passed = i
  local rid, buyer = rids[i], buyers[i]
  -- A place that was left has a mark, or its buyer has another one.
  if places[i] == argv[3 * i + 3] and not records[i] and not fresh[rid] then
    if not units[buyer] then
      units[buyer], expired[buyer], used[buyer] = unpack_holdings(holdings[i], buyer, 0)
    end
    local is_barred = drop.expired_limit > 0 and expired[buyer] >= drop.expired_limit
    local has_enough = units[buyer] >= drop.buyer_limit or
      (campaign and campaign.units[buyer] >= campaign.limit)
    if not has_enough and not is_barred then
      fresh[rid] = true
      holders[buyer] = true
      units[buyer] = units[buyer] + 1
      move_campaign(campaign, buyer, 1)
      local record = 'h|' .. buyer .. terms
      new_records[2 * taken + 1], new_records[2 * taken + 2] = rid, record
      new_due[2 * taken + 1], new_due[2 * taken + 2] = expires_ms, rid
      taken = taken + 1
      new_rows[taken] = rid .. '|' .. buyer .. '|1'
      reply[4 + taken] = rid
    end
  end
end

local ahead = serving + passed
drop.available, drop.held = drop.available - taken, drop.held + taken
broken = broken_books(drop_id, drop)
if broken then
  return broken
end
local turn = string.format('%d|%d|%.0f', serving, ahead, now)
redis.call('ZADD', turns_key, ahead, turn)
redis.call('HSET', line_key, 'serving', ahead, 'served_ms', now)
reply[3] = ahead
if taken == 0 then
  append_log(log_key, 'line_serve', epoch, drop_id, now, drop,
    string.format('%d|%d', serving, ahead))
  return reply
end
redis.call('HSET', reservations_key, unpack(new_records))
redis.call('HSET', buyers_key, unpack(pack_all_holdings(holders, units, expired, used)))
write_campaign(campaign, campaigns_key)
redis.call('ZADD', due_key, unpack(new_due))
redis.call('HSET', drop_key, 'available', drop.available, 'held', drop.held)
append_log(log_key, 'line_hold', epoch, drop_id, now, drop, table.concat(new_rows, ';'),
  'p', drop.price_fen, 'x', expires_ms, 'i', serving, 'u', ahead)
return reply
