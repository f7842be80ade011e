#!lua
-- grant: gives units to named buyers without payment, each grant once, in one atomic step.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 buyers_key        hash
--       4 reservations_key  hash
--       5 due_key           zset
--       6 log_key           stream
--       7 campaigns_key     hash
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 source            text, percent-encoded: the reason
--       4 grants...         1 to 256 times: rid text, buyer_id text, quantity 1 to 1000
-- RETURNS  {'FENCED'} | {'UNKNOWN_DROP'} | {'OK', code...}, a code per grant:
--          GRANTED|<record> | REPLAYED|<record> | SOLD_OUT | OVER_LIMIT | NOT_OPEN | CLOSED |
--          PAUSED | CONFLICT | UNREADABLE
-- LOGS     grant, rows `rid|buyer_id|quantity|state before`, s source; when one was GRANTED.
--          The state before is h for a hold, - for units from stock
--
-- The units are sold at price 0 and have no payment. They come from stock, within the buyer's
-- limit; or from a hold at price 0 with the grant's rid.

--!include now
--!include books
--!include selling
--!include log
--!include records
--!include holdings
--!include campaign

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, due_key, log_key = KEYS[4], KEYS[5], KEYS[6]
local campaigns_key = KEYS[7]
local epoch, drop_id, source = ARGV[1], ARGV[2], ARGV[3]
local count = (#ARGV - 3) / 3

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop = read_drop(drop_key)
if not drop then
  return {'UNKNOWN_DROP'}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
redis.call('ZCARD', due_key)
check_log(log_key)

local rids, buyers = {}, {}
for i = 1, count do
  rids[i], buyers[i] = ARGV[3 * i + 1], ARGV[3 * i + 2]
end
local records = redis.call('HMGET', reservations_key, unpack(rids))
local holdings = redis.call('HMGET', buyers_key, unpack(buyers))
local campaign = read_campaign(drop, campaigns_key, buyers)

local now = now_ms()
local refusal = why_not_selling(drop, now)

local reply = {'OK'}
local fresh, units, expired, tickets = {}, {}, {}, {}
local holders, new_records, ended, rows = {}, {}, {}, {}

for i = 1, count do
  local rid, buyer, quantity = rids[i], buyers[i], tonumber(ARGV[3 * i + 3])
  local packed = fresh[rid] or records[i]
  local code, before, record = nil, '-', nil
  if packed then
    local readable
    readable, record = pcall(unpack_record, packed, rid)
    if not readable then
      code = 'UNREADABLE' -- only this grant: the others of the batch continue
    elseif record.buyer ~= buyer or record.quantity ~= quantity then
      code = 'CONFLICT'
    elseif record.state ~= 'h' then
      code = 'REPLAYED|' .. packed
    elseif record.price_fen > 0 then
      code = 'CONFLICT' -- a hold with a price
    else
      before = 'h'
    end
  else
    code = refusal
  end
  if not code and not units[buyer] then
    units[buyer], expired[buyer], tickets[buyer] =
      unpack_holdings(holdings[i], buyer, before == 'h' and quantity or 0)
  end
  if not code and before == 'h' then
    drop.held = drop.held - quantity
  elseif not code then
    if units[buyer] + quantity > drop.buyer_limit or
      (campaign and campaign.units[buyer] + quantity > campaign.limit) then
      code = 'OVER_LIMIT'
    elseif quantity > drop.available then
      code = 'SOLD_OUT'
    else
      drop.available = drop.available - quantity
      units[buyer] = units[buyer] + quantity
      move_campaign(campaign, buyer, quantity)
      record = {buyer = buyer, quantity = quantity, price_fen = 0, expires_ms = now, paid = '',
        refunds = ''}
    end
  end
  if not code then
    drop.sold = drop.sold + quantity
    record.state = 's'
    packed = pack_record(record)
    fresh[rid] = packed
    holders[buyer] = true
    local n = #rows
    new_records[2 * n + 1], new_records[2 * n + 2] = rid, packed
    ended[n + 1] = rid
    rows[n + 1] = table.concat({rid, buyer, quantity, before}, '|')
    code = 'GRANTED|' .. packed
  end
  reply[1 + i] = code
end
if #rows == 0 then
  return reply
end

broken = broken_books(drop_id, drop)
if broken then
  return broken
end
local new_holdings = pack_all_holdings(holders, units, expired, tickets)

redis.call('HSET', reservations_key, unpack(new_records))
redis.call('HSET', buyers_key, unpack(new_holdings))
write_campaign(campaign, campaigns_key)
redis.call('ZREM', due_key, unpack(ended))
redis.call('HSET', drop_key, 'available', drop.available, 'held', drop.held, 'sold', drop.sold)
append_log(log_key, 'grant', epoch, drop_id, now, drop, table.concat(rows, ';'), 's', source)
return reply
