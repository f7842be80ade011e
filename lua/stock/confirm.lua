#!lua
-- confirm: a verified payment sells a hold, or is due for a refund.
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
--       3 rid               text
--       4 payment_id        text, the gateway's transaction
--       5 amount_fen        fen, must equal quantity × price, and be more than 0
-- RETURNS  {'FENCED'} | {'UNKNOWN'} | {code, record}, code one of
--          SOLD | REPLAYED | LATE_SOLD | REFUND_DUE | MISMATCH
-- LOGS     confirm, row `rid|buyer_id|quantity|state before|code|payment_id|amount_fen`;
--          for SOLD, LATE_SOLD and the first REFUND_DUE of a payment

--!include now
--!include books
--!include log
--!include records
--!include holdings
--!include campaign

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, due_key, log_key = KEYS[4], KEYS[5], KEYS[6]
local campaigns_key = KEYS[7]
local epoch, drop_id, rid, payment_id, amount_fen = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop = read_drop(drop_key)
local packed = redis.call('HGET', reservations_key, rid)
if not drop or not packed then
  return {'UNKNOWN'}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
redis.call('ZCARD', due_key)
check_log(log_key)

local record = unpack_record(packed, rid)
if record.price_fen == 0 or tonumber(amount_fen) ~= record.quantity * record.price_fen then
  return {'MISMATCH', packed} -- units at price 0 are granted, not paid
elseif record.paid == payment_id then
  return {'REPLAYED', packed}
elseif string.find(',' .. record.refunds .. ',', ',' .. payment_id .. ',', 1, true) then
  return {'REFUND_DUE', packed}
end

local before, quantity, code = record.state, record.quantity, nil
local units, expired, ticket = unpack_holdings(redis.call('HGET', buyers_key, record.buyer),
  record.buyer, before == 'h' and quantity or 0)
local campaign = read_campaign(drop, campaigns_key, {record.buyer})
if before == 'h' then
  code = 'SOLD'
  drop.held, drop.sold = drop.held - quantity, drop.sold + quantity
elseif before ~= 's' and drop.available >= quantity and units + quantity <= drop.buyer_limit and
  (not campaign or campaign.units[record.buyer] + quantity <= campaign.limit) then
  -- The hold had ended, but the units are available and within the buyer's limits (I5).
  code = 'LATE_SOLD'
  drop.available, drop.sold = drop.available - quantity, drop.sold + quantity
  units = units + quantity
  move_campaign(campaign, record.buyer, quantity)
else
  code = 'REFUND_DUE'
end

if code == 'REFUND_DUE' then
  record.refunds = record.refunds == '' and payment_id or record.refunds .. ',' .. payment_id
else
  record.state, record.paid = 's', payment_id
end
broken = broken_books(drop_id, drop)
if broken then
  return broken
end

packed = pack_record(record)
redis.call('HSET', reservations_key, rid, packed)
redis.call('HSET', buyers_key, record.buyer, pack_holdings(units, expired, ticket))
write_campaign(campaign, campaigns_key)
redis.call('ZREM', due_key, rid)
redis.call('HSET', drop_key, 'available', drop.available, 'held', drop.held, 'sold', drop.sold)
append_log(log_key, 'confirm', epoch, drop_id, now_ms(), drop,
  table.concat({rid, record.buyer, quantity, before, code, payment_id, amount_fen}, '|'))
return {code, packed}
