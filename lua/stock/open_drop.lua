#!lua
-- open_drop: puts a drop on sale from opens_ms on. Opening twice with the same terms is a replay.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 due_key           zset
--       4 log_key           stream
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 opens_ms          ms since 1970
--       4 closes_ms         ms since 1970, > opens_ms
--       5 hold_ms           ms, ≥ 1
--       6 buyer_limit       units, ≥ 1
--       7 price_fen         fen, ≥ 0
--       8 allotted          units, ≥ 0
--       9 expired_limit     holds, 0 never bars
--      10 ticket_required   1: a reservation needs a purchase ticket; 0: it needs none
--      11 campaign          `id|limit`: units a buyer may have of all drops of this campaign, which
--                           are in one partition; empty without such a limit
-- RETURNS  {'FENCED'} | {'OPENED'} | {'REPLAYED'} | {'CONFLICT'}
-- LOGS     open, row `opens_ms|closes_ms|hold_ms|buyer_limit|price_fen|allotted|expired_limit[|1]`,
--          the 1 for a drop that sells by tickets; with a campaign `…|ticket_required|id|limit`

--!include now
--!include books
--!include log

local epoch_key, drop_key, due_key, log_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, drop_id = ARGV[1], ARGV[2]
local opens_ms, closes_ms, hold_ms = ARGV[3], ARGV[4], ARGV[5]
local buyer_limit, price_fen, allotted, expired_limit = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local ticket_required, campaign = ARGV[10], ARGV[11]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local terms = table.concat(
  {opens_ms, closes_ms, hold_ms, buyer_limit, price_fen, allotted, expired_limit}, '|')
if campaign ~= '' then
  terms = table.concat({terms, ticket_required, campaign}, '|')
elseif ticket_required == '1' then
  terms = terms .. '|1'
end
local opened_as = redis.call('HGET', drop_key, 'opened_as')
if opened_as then
  return {opened_as == terms and 'REPLAYED' or 'CONFLICT'}
end
redis.call('ZCARD', due_key)
check_log(log_key)

local units = tonumber(allotted)
local drop = {allotted = units, available = units, held = 0, sold = 0, burned = 0}
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end

redis.call('HSET', drop_key, 'state', 'open', 'opens_ms', opens_ms, 'closes_ms', closes_ms,
  'hold_ms', hold_ms, 'buyer_limit', buyer_limit, 'price_fen', price_fen,
  'expired_limit', expired_limit, 'tickets', ticket_required, 'opened_as', terms,
  'allotted', allotted, 'available', allotted, 'held', 0, 'sold', 0, 'burned', 0)
if campaign ~= '' then
  redis.call('HSET', drop_key, 'campaign', campaign)
end
redis.call('ZADD', due_key, closes_ms, drop_id)
append_log(log_key, 'open', epoch, drop_id, now_ms(), drop, terms)
return {'OPENED'}
