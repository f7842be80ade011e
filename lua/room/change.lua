#!lua
-- change: copies a change of a room or its shelf from SQL, and sends its event.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 shelf_key         hash
--       4 drops_key         hash
--       5 bars_key          hash
--       6 comments_key      stream
--       7 spoken_key        stream
--       8 channel_key       channel of sharded pub/sub
-- ARGV  1 version           of the room in SQL after this change
--       2 doc               the room as viewers see it, JSON
--       3 keep_ms           TTL of the room's keys, 0 for none
--       4 history           approximate number of kept events, ≥ 1
--       5 kind              type of the event
--       6 rest              its other members as JSON, from the comma to the last brace
--       7 items...          pairs: item_id, and the item as JSON, or empty if it was removed
-- RETURNS  {'UNKNOWN_ROOM'} | {'BEHIND'} | {'REPLAYED', epoch, offset} | {'CHANGED', epoch, offset}
-- LOGS     the event; when CHANGED
--
-- BEHIND: an earlier change is missing here, so this one is not enough: see restore.

--!include now
--!include room
--!include room_log
--!include keep_room

local room_key, events_key, shelf_key = KEYS[1], KEYS[2], KEYS[3]
local drops_key, bars_key, comments_key = KEYS[4], KEYS[5], KEYS[6]
local spoken_key, channel_key = KEYS[7], KEYS[8]
local version, doc, keep_ms = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local history, kind, rest = ARGV[4], ARGV[5], ARGV[6]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
elseif version <= room.version then
  return {'REPLAYED', room.epoch, room.offset}
elseif version > room.version + 1 then
  return {'BEHIND'}
end
check_log(events_key)
redis.call('HLEN', shelf_key)
local now = now_ms()

redis.call('HSET', room_key, 'version', version, 'doc', doc)
for i = 7, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', shelf_key, ARGV[i])
  else
    redis.call('HSET', shelf_key, ARGV[i], ARGV[i + 1])
  end
end
room_log(room_key, events_key, channel_key, room, now, history, kind, rest)
keep_room(keep_ms, {room_key, events_key, shelf_key, drops_key, bars_key, comments_key, spoken_key})
return {'CHANGED', room.epoch, room.offset}
