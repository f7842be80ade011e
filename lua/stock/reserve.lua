#!lua
-- reserve: answers a batch of attempts on one drop, in order, in one atomic step.
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
--       3 tickets           `index:serial:expires_ms` joined by commas, for the attempts (from 1)
--                           with a ticket; empty if none has one
--       4 attempts...       1 to 256 times: rid text, buyer_id text, quantity 1 to 1000
-- RETURNS  {'FENCED'} | {'UNKNOWN_DROP'} |
--          {'OK', now_ms, available, expires_ms, price_fen, opens_ms, buyers, code...}
--          a code per attempt: HELD | REPLAYED|<record> | SOLD_OUT | OVER_LIMIT | BARRED |
--          NOT_OPEN | CLOSED | PAUSED | CONFLICT | UNREADABLE | TICKET_REQUIRED |
--          TICKET_INVALID | TICKET_USED; available is after the whole batch
-- LOGS     reserve, rows `rid|buyer_id|quantity`, p price_fen, x expires_ms; when one was HELD

--!include now
--!include books
--!include selling
--!include log
--!include holdings
--!include campaign
--!include tickets

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, due_key, log_key = KEYS[4], KEYS[5], KEYS[6]
local campaigns_key = KEYS[7]
local argv = ARGV
local epoch, drop_id, tickets = argv[1], argv[2], argv[3]
local count = (#argv - 3) / 3

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
  rids[i], buyers[i] = argv[3 * i + 1], argv[3 * i + 2]
end
local records = redis.call('HMGET', reservations_key, unpack(rids))
local holdings = redis.call('HMGET', buyers_key, unpack(buyers))
local campaign = drop.campaign and read_campaign(drop, campaigns_key, buyers)

local now = now_ms()
local refusal = why_not_selling(drop, now)

local expires_ms = now + drop.hold_ms
local ahead = newest_serial(now)
local limit, expired_limit = drop.buyer_limit, drop.expired_limit
local available, taken = drop.available, 0
local reply = {'OK', now, 0, expires_ms, drop.price_fen, drop.opens_ms, 0}
local terms = string.format('|%.0f|%.0f', drop.price_fen, expires_ms)
local fresh, units, expired, used = {}, {}, {}, {}
local ticket_required, serials, expiries = drop.ticket_required, nil, nil
if ticket_required then
  serials, expiries = read_tickets(tickets)
end
local new_records, new_due, new_rows, holders = {}, {}, {}, {}

for i = 1, count do
  local rid, buyer, quantity = rids[i], buyers[i], argv[3 * i + 3]
  local record, wanted = fresh[rid] or records[i], tonumber(quantity)
  local code = refusal
  if record then
    -- The payload of a reservation is its buyer and its quantity.
    local payload = '|' .. buyer .. '|' .. quantity .. '|'
    if not string.match(record .. '|', '^[hsre]|[^|]*|%d+|%d+|%d+|') then
      code = 'UNREADABLE' -- only this attempt: the others of the batch continue
    elseif string.sub(record, 2, 1 + #payload) == payload then
      code = 'REPLAYED|' .. record
    else
      code = 'CONFLICT'
    end
  elseif not refusal then
    if not units[buyer] then
      units[buyer], expired[buyer], used[buyer] = unpack_holdings(holdings[i], buyer, 0)
    end
    if units[buyer] + wanted > limit or
      (campaign and campaign.units[buyer] + wanted > campaign.limit) then
      code = 'OVER_LIMIT'
    elseif expired_limit > 0 and expired[buyer] >= expired_limit then
      code = 'BARRED'
    elseif wanted > available then
      code = 'SOLD_OUT'
    elseif ticket_required and not serials[i] then
      code = 'TICKET_REQUIRED'
    elseif ticket_required and (expiries[i] <= now or serials[i] > ahead) then
      code = 'TICKET_INVALID'
    elseif ticket_required and serials[i] <= used[buyer] and used[buyer] <= ahead then
      code = 'TICKET_USED'
    else
      code = 'HELD'
      used[buyer] = ticket_required and serials[i] or used[buyer]
      available = available - wanted
      taken = taken + wanted
      units[buyer] = units[buyer] + wanted
      if campaign then
        move_campaign(campaign, buyer, wanted)
      end
      holders[buyer] = true
      record = 'h|' .. buyer .. '|' .. quantity .. terms
      fresh[rid] = record
      local n = #new_due
      new_records[n + 1], new_records[n + 2] = rid, record
      new_due[n + 1], new_due[n + 2] = expires_ms, rid
      new_rows[#new_rows + 1] = rid .. '|' .. buyer .. '|' .. quantity
    end
  end
  reply[7 + i] = code
end

if taken > 0 then
  drop.available, drop.held = available, drop.held + taken
  broken = broken_books(drop_id, drop)
  if broken then
    return broken
  end
  local new_holdings = pack_all_holdings(holders, units, expired, used)
  redis.call('HSET', reservations_key, unpack(new_records))
  redis.call('HSET', buyers_key, unpack(new_holdings))
  if campaign then
    write_campaign(campaign, campaigns_key)
  end
  redis.call('ZADD', due_key, unpack(new_due))
  redis.call('HSET', drop_key, 'available', available, 'held', drop.held)
  append_log(log_key, 'reserve', epoch, drop_id, now, drop, table.concat(new_rows, ';'),
    'p', drop.price_fen, 'x', expires_ms)
end

reply[3] = available
reply[7] = redis.call('HLEN', buyers_key)
return reply
