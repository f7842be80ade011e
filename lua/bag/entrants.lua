#!lua flags=no-writes
-- entrants: the buyers who entered a lucky bag, in the order of their entries.
--
-- KEYS  1 room_key          hash
--       2 bag_key           hash
--       3 entrants_key      zset
-- ARGV  1 bag_id            text
--       2 first             index of the first one wanted, from 0
--       3 last              index of the last one wanted; less than first for none
-- RETURNS  {'UNKNOWN_ROOM'} | {'UNKNOWN_BAG'} | {'OK', entries, buyers}
-- LOGS     nothing

--!include room

local room_key, bag_key, entrants_key = KEYS[1], KEYS[2], KEYS[3]
local bag_id, first, last = ARGV[1], ARGV[2], ARGV[3]

if not read_room(room_key) then
  return {'UNKNOWN_ROOM'}
elseif redis.call('HGET', bag_key, 'bag_id') ~= bag_id then
  return {'UNKNOWN_BAG'}
end
return {'OK', redis.call('ZCARD', entrants_key),
  redis.call('ZRANGE', entrants_key, first, last)}
