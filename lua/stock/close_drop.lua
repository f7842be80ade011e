#!lua
-- close_drop: ends the sale for ever; holds remain until they are paid, released or expired.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 due_key           zset
--       4 log_key           stream
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 condition         `always`, or `due`: only if closes_ms has passed by Redis's clock
-- RETURNS  {'FENCED'} | {'UNKNOWN_DROP'} | {'CHANGED'} | {'REPLAYED'} | {'TOO_EARLY'}
-- LOGS     close, no rows; when CHANGED

--!include now
--!include books
--!include log
--!include change_state

local epoch_key, drop_key, due_key, log_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, drop_id, condition = ARGV[1], ARGV[2], ARGV[3]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop = read_drop(drop_key)
if not drop then
  redis.call('ZREM', due_key, drop_id) -- so that it does not stay at the head of the due list
  return {'UNKNOWN_DROP'}
elseif condition == 'due' and now_ms() < drop.closes_ms then
  return {'TOO_EARLY'}
end
redis.call('ZCARD', due_key)
local reply = {'REPLAYED'}
if drop.state ~= 'closed' then
  reply = change_state(drop_key, log_key, epoch, drop_id, 'close', drop, 'closed')
end
if reply[1] then
  redis.call('ZREM', due_key, drop_id)
end
return reply
