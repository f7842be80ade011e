#!lua
-- release: releases a buyer's hold; its units are on sale again in the same step.
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
--       4 buyer_id          text, who must own the reservation
-- RETURNS  {'FENCED'} | {'UNKNOWN'} | {'RELEASED' | 'REPLAYED' | 'ALREADY_SOLD', record}
-- LOGS     release, row `rid|buyer_id|quantity`; when RELEASED

--!include now
--!include books
--!include log
--!include records
--!include holdings
--!include campaign

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, due_key, log_key = KEYS[4], KEYS[5], KEYS[6]
local campaigns_key = KEYS[7]
local epoch, drop_id, rid, buyer_id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

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
local record = unpack_record(packed, rid)
if record.buyer ~= buyer_id then
  return {'UNKNOWN'}
elseif record.state == 's' then
  return {'ALREADY_SOLD', packed}
elseif record.state ~= 'h' then
  return {'REPLAYED', packed}
end
local quantity = record.quantity
drop.available, drop.held = drop.available + quantity, drop.held - quantity
broken = broken_books(drop_id, drop)
if broken then
  return broken
end
redis.call('ZCARD', due_key)
check_log(log_key)
local units, expired, ticket = unpack_holdings(redis.call('HGET', buyers_key, buyer_id),
  buyer_id, quantity)
local campaign = read_campaign(drop, campaigns_key, {buyer_id})
move_campaign(campaign, buyer_id, -quantity)

record.state = 'r'
packed = pack_record(record)
redis.call('HSET', reservations_key, rid, packed)
redis.call('HSET', buyers_key, buyer_id, pack_holdings(units - quantity, expired, ticket))
write_campaign(campaign, campaigns_key)
redis.call('ZREM', due_key, rid)
redis.call('HSET', drop_key, 'available', drop.available, 'held', drop.held)
append_log(log_key, 'release', epoch, drop_id, now_ms(), drop,
  table.concat({rid, buyer_id, quantity}, '|'))
return {'RELEASED', packed}
