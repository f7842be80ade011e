#!lua
-- tell: sends a lucky bag's result from SQL: it is drawn, or void.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 channel_key       channel of sharded pub/sub
--       4 bag_key           hash
-- ARGV  1 bag_id            text
--       2 state             drawn | void
--       3 doc               the bag as viewers see it, JSON
--       4 keep_ms           how long snapshots show it
--       5 history           approximate number of kept events, ≥ 1
--       6 kind              type of the event
--       7 rest              its other members as JSON, from the comma to the last brace
-- RETURNS  {'UNKNOWN_ROOM'} | {'OLD'} | {'REPLAYED'} | {'TOLD'}
-- LOGS     the event; when TOLD
--
-- OLD: the room has a newer bag. Ids of bags rise with their time.

--!include now
--!include room
--!include room_log

local room_key, events_key, channel_key, bag_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local bag_id, state, doc, keep_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local history, kind, rest = ARGV[5], ARGV[6], ARGV[7]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
local known = redis.call('HMGET', bag_key, 'bag_id', 'state')
if known[1] and known[1] > bag_id then
  return {'OLD'}
elseif known[1] == bag_id and known[2] == state then
  return {'REPLAYED'}
end
check_log(events_key)
local now = now_ms()

redis.call('HSET', bag_key, 'bag_id', bag_id, 'state', state, 'doc', doc)
redis.call('PEXPIRE', bag_key, keep_ms)
room_log(room_key, events_key, channel_key, room, now, history, kind, rest)
return {'TOLD'}
