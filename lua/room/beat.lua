#!lua
-- beat: the host of a room is there, by Redis's clock.
--
-- KEYS  1 room_key          hash
-- ARGV  1 write             yes notes it, no only asks
-- RETURNS  {'UNKNOWN_ROOM'} | {'BEAT', now_ms, beat_ms}; beat_ms is when the host was last heard of
-- LOGS     nothing

--!include now
--!include room

local room_key = KEYS[1]
local write = ARGV[1]

if not read_room(room_key) then
  return {'UNKNOWN_ROOM'}
end
local now = now_ms()
local beat_ms = tonumber(redis.call('HGET', room_key, 'beat_ms')) or now
if write == 'yes' then
  beat_ms = now
  redis.call('HSET', room_key, 'beat_ms', string.format('%.0f', now))
end
return {'BEAT', now, beat_ms}
