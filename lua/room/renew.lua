#!lua
-- renew: begins a new epoch of a room's channel, because Redis lost events that were sent.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 channel_key       channel of sharded pub/sub
-- ARGV  1 old_epoch         the epoch with two events of the same number
--       2 new_epoch         a text never used before
--       3 history           approximate number of kept events, ≥ 1
--       4 kind              type of the event
--       5 rest              its other members as JSON, from the comma to the last brace
-- RETURNS  {'UNKNOWN_ROOM'} | {'REPLAYED', epoch, offset} | {'RENEWED', epoch, offset}
-- LOGS     the event; when RENEWED

--!include now
--!include room
--!include room_log

local room_key, events_key, channel_key = KEYS[1], KEYS[2], KEYS[3]
local old_epoch, new_epoch, history = ARGV[1], ARGV[2], ARGV[3]
local kind, rest = ARGV[4], ARGV[5]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
elseif room.epoch ~= old_epoch then
  return {'REPLAYED', room.epoch, room.offset}
end
local now = now_ms()

redis.call('UNLINK', events_key)
redis.call('HSET', room_key, 'epoch', new_epoch)
room.epoch, room.offset = new_epoch, 0
room_log(room_key, events_key, channel_key, room, now, history, kind, rest)
return {'RENEWED', room.epoch, room.offset}
