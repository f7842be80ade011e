#!lua
-- expire: ends those of the named holds whose deadline has passed by the clock of Redis.
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
--       3 rids...           1 to 256 texts, all of this drop
-- RETURNS  {'FENCED'} | {'UNKNOWN_DROP'} | {'OK', expired, available}, expired holds in this call
-- LOGS     expire, rows `rid|buyer_id|quantity`; when one expired
--
-- Members without a hold (ended, unknown, of an unknown drop) also leave the due list, so that they
-- do not stay at its head.

--!include now
--!include books
--!include log
--!include records
--!include holdings
--!include campaign

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, due_key, log_key = KEYS[4], KEYS[5], KEYS[6]
local campaigns_key = KEYS[7]
local epoch, drop_id = ARGV[1], ARGV[2]
local count = #ARGV - 2

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local prefix = drop_id .. '-'
local rids, buyers = {}, {}
for i = 1, count do
  local rid = ARGV[2 + i]
  if string.sub(rid, 1, #prefix) ~= prefix then
    return redis.error_reply('EXPIRE of ' .. drop_id .. ' got a rid of another drop: ' .. rid)
  end
  rids[i] = rid
end
local drop = read_drop(drop_key)
if not drop then
  redis.call('ZREM', due_key, unpack(rids))
  return {'UNKNOWN_DROP'}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
redis.call('ZCARD', due_key)
check_log(log_key)

local now = now_ms()
local packed = redis.call('HMGET', reservations_key, unpack(rids))
local ended, over, done = {}, {}, {}
for i = 1, count do
  local rid = rids[i]
  local record = packed[i] and unpack_record(packed[i], rid)
  if not record or record.state ~= 'h' then
    over[#over + 1] = rid
  elseif record.expires_ms <= now and not done[rid] then
    done[rid] = true
    record.rid, record.state = rid, 'e'
    ended[#ended + 1], buyers[#buyers + 1] = record, record.buyer
    over[#over + 1] = rid
  end
end
if #ended == 0 then
  if #over > 0 then
    redis.call('ZREM', due_key, unpack(over))
  end
  return {'OK', 0, drop.available}
end

local held_by = redis.call('HMGET', buyers_key, unpack(buyers))
local campaign = read_campaign(drop, campaigns_key, buyers)
local units, expired, tickets = {}, {}, {}
local new_records, rows = {}, {}
for i = 1, #ended do
  local record = ended[i]
  local buyer, quantity = record.buyer, record.quantity
  if not units[buyer] then
    units[buyer], expired[buyer], tickets[buyer] = unpack_holdings(held_by[i], buyer, quantity)
  end
  units[buyer], expired[buyer] = units[buyer] - quantity, expired[buyer] + 1
  move_campaign(campaign, buyer, -quantity)
  drop.available, drop.held = drop.available + quantity, drop.held - quantity
  new_records[2 * i - 1], new_records[2 * i] = record.rid, pack_record(record)
  rows[i] = table.concat({record.rid, buyer, quantity}, '|')
end
broken = broken_books(drop_id, drop)
if broken then
  return broken
end
local new_holdings = pack_all_holdings(units, units, expired, tickets)

redis.call('HSET', reservations_key, unpack(new_records))
redis.call('HSET', buyers_key, unpack(new_holdings))
write_campaign(campaign, campaigns_key)
redis.call('ZREM', due_key, unpack(over))
redis.call('HSET', drop_key, 'available', drop.available, 'held', drop.held)
append_log(log_key, 'expire', epoch, drop_id, now, drop, table.concat(rows, ';'))
return {'OK', #ended, drop.available}
