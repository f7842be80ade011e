#!lua flags=no-writes
-- snapshot: a room, its shelf, its drops and its lucky bag at one instant, with the number of the last event.
--
-- KEYS  1 room_key          hash
--       2 shelf_key         hash
--       3 drops_key         hash
--       4 bag_key           hash
-- ARGV  none
-- RETURNS  {'UNKNOWN_ROOM'} | {'OK', epoch, offset, version, now_ms, doc, shelf, drops, bag}; shelf
--          and drops are lists of field and value, bag is JSON or nothing
-- LOGS     nothing

--!include now
--!include room

local room_key, shelf_key, drops_key, bag_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
return {'OK', room.epoch, room.offset, room.version, now_ms(), redis.call('HGET', room_key, 'doc'),
  redis.call('HGETALL', shelf_key), redis.call('HGETALL', drops_key),
  redis.call('HGET', bag_key, 'doc') or ''}
