#!lua flags=no-writes
-- history: the kept events of a room after a number, and its newest number.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
-- ARGV  1 after             number of an event, ≥ 0
--       2 count             maximum of events
-- RETURNS  {'UNKNOWN_ROOM'} | {'OK', epoch, offset, texts}; texts are the events as JSON, in order
-- LOGS     nothing

--!include room

local room_key, events_key = KEYS[1], KEYS[2]
local after, count = ARGV[1], ARGV[2]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
local texts = {}
for i, entry in ipairs(redis.call('XRANGE', events_key, '(' .. after .. '-0', '+', 'COUNT', count)) do
  texts[i] = entry[2][2]
end
return {'OK', room.epoch, room.offset, texts}
