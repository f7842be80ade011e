#!lua
-- bars: all who are muted or banned in a room, as SQL has them, where Redis has an older list.
--
-- KEYS  1 room_key          hash
--       2 bars_key          hash
-- ARGV  1 bars_version      of the room's bars in SQL
--       2 bars...           pairs: buyer_id, and muted until | banned until, ms; 0 for not
-- RETURNS  {'UNKNOWN_ROOM'} | {'EXISTS'} | {'SYNCED'}
-- LOGS     nothing

--!include room

local room_key, bars_key = KEYS[1], KEYS[2]
local bars_version = tonumber(ARGV[1])

if not read_room(room_key) then
  return {'UNKNOWN_ROOM'}
elseif bars_version <= (tonumber(redis.call('HGET', room_key, 'bars_version')) or -1) then
  return {'EXISTS'}
end
local keep_ms = redis.call('PTTL', room_key)

redis.call('UNLINK', bars_key)
for i = 2, #ARGV, 2 do
  redis.call('HSET', bars_key, ARGV[i], ARGV[i + 1])
end
if keep_ms > 0 then
  redis.call('PEXPIRE', bars_key, keep_ms)
end
redis.call('HSET', room_key, 'bars_version', bars_version)
return {'SYNCED'}
