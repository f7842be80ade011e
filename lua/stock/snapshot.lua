#!lua flags=no-writes
-- snapshot: one drop at one instant, with its position in the log.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 buyers_key        hash
--       4 reservations_key  hash
--       5 log_key           stream
-- ARGV  1 drop_id           text
-- RETURNS  {'UNKNOWN_DROP'} | {'OK', now_ms, epoch, log_id, buyers, reservations, state, opens_ms,
--          closes_ms, hold_ms, buyer_limit, price_fen, expired_limit, ticket_required,
--          allotted, available, held, sold, burned, campaign}; ticket_required is 1 or 0, log_id is
--          the last id of the log, 0-0 if there is none, campaign is `id|limit` or empty
-- LOGS     nothing

--!include now
--!include books
--!include last_log_id

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, log_key = KEYS[4], KEYS[5]
local drop_id = ARGV[1]

local drop = read_drop(drop_key)
if not drop then
  return {'UNKNOWN_DROP'}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
return {'OK', now_ms(), tonumber(redis.call('GET', epoch_key)) or 0, last_log_id(log_key),
  redis.call('HLEN', buyers_key), redis.call('HLEN', reservations_key),
  drop.state, drop.opens_ms, drop.closes_ms, drop.hold_ms, drop.buyer_limit, drop.price_fen,
  drop.expired_limit, drop.ticket_required and 1 or 0, drop.allotted, drop.available, drop.held,
  drop.sold, drop.burned, drop.campaign or ''}
