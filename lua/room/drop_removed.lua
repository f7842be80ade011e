#!lua
-- drop_removed: takes a draft off a room, and sends that.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 drops_key         hash
--       4 channel_key       channel of sharded pub/sub
-- ARGV  1 drop_id           text
--       2 history           approximate number of kept events, ≥ 1
-- RETURNS  {'UNKNOWN_ROOM'} | {'SAME'} | {'REMOVED'}
-- LOGS     drop.removed; when REMOVED

--!include now
--!include room
--!include room_log

local room_key, events_key, drops_key, channel_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local drop_id, history = ARGV[1], ARGV[2]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
check_log(events_key)
if not redis.call('HGET', drops_key, drop_id) then
  return {'SAME'}
end
local now = now_ms()

redis.call('HDEL', drops_key, drop_id, 'told:' .. drop_id)
room_log(room_key, events_key, channel_key, room, now, history, 'drop.removed',
  ',"drop":{"drop_id":"' .. drop_id .. '"}}')
return {'REMOVED'}
