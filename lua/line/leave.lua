#!lua
-- leave: gives a place up. Its index stays empty; nobody moves.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 line_key          hash
--       4 places_key        hash
--       5 log_key           stream
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 buyer_id          text
-- RETURNS  {'FENCED'} | {'UNKNOWN_LINE'} | {'LEFT'} | {'REPLAYED'} | {'UNKNOWN'}
-- LOGS     line_leave, row `buyer_id|index`; when LEFT

--!include now
--!include books
--!include log
--!include line

local epoch_key, drop_key, line_key = KEYS[1], KEYS[2], KEYS[3]
local places_key, log_key = KEYS[4], KEYS[5]
local epoch, drop_id, buyer_id = ARGV[1], ARGV[2], ARGV[3]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop, line = read_drop(drop_key), read_line(line_key)
if not drop or not line then
  return {'UNKNOWN_LINE'}
end
local place = redis.call('HGET', places_key, buyer_id)
if not place then
  return {'UNKNOWN'}
elseif string.match(place, '|l$') then
  return {'REPLAYED'}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
check_log(log_key)

redis.call('HSET', places_key, buyer_id, place .. '|l')
redis.call('HSET', line_key, 'left', line.left + 1)
append_log(log_key, 'line_leave', epoch, drop_id, now_ms(), drop, buyer_id .. '|' .. place)
return {'LEFT'}
