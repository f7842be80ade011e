#!lua
-- append: numbers one event of a room and sends it.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 channel_key       channel of sharded pub/sub
-- ARGV  1 history           approximate number of kept events, ≥ 1
--       2 kind              type of the event
--       3 rest              its other members as JSON, from the comma to the last brace
-- RETURNS  {'UNKNOWN_ROOM'} | {'APPENDED', epoch, offset, now_ms}
-- LOGS     the event

--!include now
--!include room
--!include room_log

local room_key, events_key, channel_key = KEYS[1], KEYS[2], KEYS[3]
local history, kind, rest = ARGV[1], ARGV[2], ARGV[3]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
check_log(events_key)
local now = now_ms()

room_log(room_key, events_key, channel_key, room, now, history, kind, rest)
return {'APPENDED', room.epoch, room.offset, now}
