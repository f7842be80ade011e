#!lua
-- take_back: returns units of a sold reservation to stock, or burns them. Once per take_id.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 buyers_key        hash
--       4 reservations_key  hash
--       5 log_key           stream
--       6 campaigns_key     hash
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 rid               text
--       4 take_id           text, the same at every retry
--       5 units             1 to 1000
--       6 fate              a: available again, b: burned
--       7 reason            text, percent-encoded
-- RETURNS  {'FENCED'} | {'UNKNOWN_DROP'} | {code, available}, code one of
--          TAKEN | REPLAYED | CONFLICT | UNKNOWN | NOT_SOLD | TOO_MANY | CLOSED
-- LOGS     take_back, row `take_id|rid|buyer_id|units|fate|reason`; when TAKEN
--
-- The record of the reservation stays as it is: the drop's hash has `taken:<take_id>`, and
-- `back:<rid>`, the units that came back. The buyer may buy so many again.

--!include now
--!include books
--!include log
--!include records
--!include holdings
--!include campaign

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, log_key, campaigns_key = KEYS[4], KEYS[5], KEYS[6]
local epoch, drop_id, rid, take_id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local units, fate, reason = tonumber(ARGV[5]), ARGV[6], ARGV[7]

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
local mark = table.concat({rid, units, fate}, '|')
local taken, before = unpack(redis.call('HMGET', drop_key, 'taken:' .. take_id, 'back:' .. rid))
if taken then
  return {taken == mark and 'REPLAYED' or 'CONFLICT', drop.available}
end
local packed = redis.call('HGET', reservations_key, rid)
if not packed then
  return {'UNKNOWN', drop.available}
end
local record = unpack_record(packed, rid)
local back = (tonumber(before) or 0) + units
if record.state ~= 's' then
  return {'NOT_SOLD', drop.available}
elseif back > record.quantity then
  return {'TOO_MANY', drop.available}
elseif drop.state == 'closed' then
  return {'CLOSED', drop.available}
end
check_log(log_key)
local held, expired, ticket = unpack_holdings(redis.call('HGET', buyers_key, record.buyer),
  record.buyer, units)
local campaign = read_campaign(drop, campaigns_key, {record.buyer})
move_campaign(campaign, record.buyer, -units)

drop.sold = drop.sold - units
if fate == 'a' then
  drop.available = drop.available + units
else
  drop.burned = drop.burned + units
end
broken = broken_books(drop_id, drop)
if broken then
  return broken
end

redis.call('HSET', buyers_key, record.buyer, pack_holdings(held - units, expired, ticket))
write_campaign(campaign, campaigns_key)
redis.call('HSET', drop_key, 'available', drop.available, 'sold', drop.sold,
  'burned', drop.burned, 'taken:' .. take_id, mark, 'back:' .. rid, back)
append_log(log_key, 'take_back', epoch, drop_id, now_ms(), drop,
  table.concat({take_id, rid, record.buyer, units, fate, reason}, '|'))
return {'TAKEN', drop.available}
