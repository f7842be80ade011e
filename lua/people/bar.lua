#!lua
-- bar: copies a new mute or ban from SQL, and sends its event.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 bars_key          hash
--       4 channel_key       channel of sharded pub/sub
-- ARGV  1 bars_version      of the room's bars in SQL after this one
--       2 buyer_id          text
--       3 person_id         the same person's id in the room
--       4 terms             muted until | banned until, ms; 0 for none
--       5 history           approximate number of kept events, ≥ 1
--       6 kind              type of the event
--       7 rest              its other members as JSON, from the comma to the last brace
-- RETURNS  {'UNKNOWN_ROOM'} | {'BEHIND'} | {'REPLAYED', epoch, offset} | {'CHANGED', epoch, offset}
-- LOGS     the event; when CHANGED

--!include now
--!include room
--!include room_log

local room_key, events_key, bars_key, channel_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local bars_version, buyer_id, person_id = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local terms, history, kind, rest = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
local known = tonumber(redis.call('HGET', room_key, 'bars_version')) or -1
if bars_version <= known then
  return {'REPLAYED', room.epoch, room.offset}
elseif bars_version > known + 1 then
  return {'BEHIND'}
end
check_log(events_key)
redis.call('HLEN', bars_key)
local keep_ms = redis.call('PTTL', room_key)
local now = now_ms()

redis.call('HSET', room_key, 'bars_version', bars_version)
if terms == '0|0' then
  redis.call('HDEL', bars_key, buyer_id, '#' .. buyer_id)
else
  redis.call('HSET', bars_key, buyer_id, terms, '#' .. buyer_id, person_id)
end
if keep_ms > 0 then
  redis.call('PEXPIRE', bars_key, keep_ms)
end
room_log(room_key, events_key, channel_key, room, now, history, kind, rest)
return {'CHANGED', room.epoch, room.offset}
