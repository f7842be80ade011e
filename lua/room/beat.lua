#!lua
-- beat: notes a heartbeat of a room's host, by Redis's clock.
--
-- KEYS  1 room_key          hash
-- ARGV  none
-- RETURNS  {'UNKNOWN_ROOM'} | {'BEAT'}
-- LOGS     nothing

--!include now
--!include room

local room_key = KEYS[1]

if not read_room(room_key) then
  return {'UNKNOWN_ROOM'}
end
redis.call('HSET', room_key, 'beat_ms', string.format('%.0f', now_ms()))
return {'BEAT'}
