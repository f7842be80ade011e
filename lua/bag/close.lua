#!lua
-- close: closes the list of a lucky bag when its time is over: the list is final.
--
-- KEYS  1 room_key          hash
--       2 bag_key           hash
--       3 entrants_key      zset
-- ARGV  1 bag_id            text
-- RETURNS  {'UNKNOWN_ROOM'} | {'UNKNOWN_BAG'} | {'EARLY', wait_ms} | {'CLOSED', entries, now_ms}
-- LOGS     nothing
--
-- May be repeated: the list stays the same.

--!include now
--!include room

local room_key, bag_key, entrants_key = KEYS[1], KEYS[2], KEYS[3]
local bag_id = ARGV[1]

if not read_room(room_key) then
  return {'UNKNOWN_ROOM'}
end
local bag = redis.call('HMGET', bag_key, 'bag_id', 'state', 'draws_ms')
if bag[1] ~= bag_id then
  return {'UNKNOWN_BAG'}
end
local now = now_ms()
if bag[2] == 'open' and now < tonumber(bag[3]) then
  return {'EARLY', tonumber(bag[3]) - now}
end
local entries = redis.call('ZCARD', entrants_key)

if bag[2] == 'open' then
  redis.call('HSET', bag_key, 'state', 'closed')
end
return {'CLOSED', entries, now}
