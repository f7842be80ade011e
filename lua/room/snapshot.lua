#!lua flags=no-writes
-- snapshot: a room, its shelf, drops, people and lucky bag at one instant, with the number of the
-- last event.
--
-- KEYS  1 room_key          hash
--       2 shelf_key         hash
--       3 drops_key         hash
--       4 comments_key      stream
--       5 bag_key           hash
-- ARGV  none
-- RETURNS  {'UNKNOWN_ROOM'} | {'OK', epoch, offset, version, now_ms, doc, shelf, drops, people,
--          comments, bag}; shelf and drops are lists of field and value, people and bag are
--          JSON, or empty; comments are JSON, the oldest first
-- LOGS     nothing

--!include now
--!include room

local room_key, shelf_key, drops_key = KEYS[1], KEYS[2], KEYS[3]
local comments_key, bag_key = KEYS[4], KEYS[5]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
local row = redis.call('HMGET', room_key, 'doc', 'told_people')
local comments = {}
for i, entry in ipairs(redis.call('XRANGE', comments_key, '-', '+')) do
  comments[i] = entry[2][4]
end
return {'OK', room.epoch, room.offset, room.version, now_ms(), row[1],
  redis.call('HGETALL', shelf_key), redis.call('HGETALL', drops_key), row[2] or '', comments,
  redis.call('HGET', bag_key, 'doc') or ''}
