#!lua
-- open: opens a lucky bag: the room accepts entries until a fixed time.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 channel_key       channel of sharded pub/sub
--       4 bag_key           hash
--       5 entrants_key      zset
--       6 waiting_key       hash
--       7 said_key          zset
-- ARGV  1 bag_id            text
--       2 draws_ms          ms
--       3 stay_ms           how long a viewer must repeat the call to enter, 0 for none
--       4 phrase            the required phrase, folded for comparison; empty for none
--       5 doc               the bag as viewers see it, JSON
--       6 keep_ms           how long the keys are kept after the draw
--       7 history           approximate number of kept events, ≥ 1
--       8 kind              type of the event
--       9 rest              its other members as JSON, from the comma to the last brace
-- RETURNS  {'UNKNOWN_ROOM'} | {'LATE'} | {'REPLAYED'} | {'OPENED'}
-- LOGS     the event; when OPENED
--
-- SQL ensures that there is one bag at a time: an earlier bag here is over.

--!include now
--!include room
--!include room_log

local room_key, events_key, channel_key = KEYS[1], KEYS[2], KEYS[3]
local bag_key, entrants_key, waiting_key, said_key = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local bag_id, draws_ms, stay_ms, phrase = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local doc, keep_ms, history = ARGV[5], tonumber(ARGV[6]), ARGV[7]
local kind, rest = ARGV[8], ARGV[9]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
elseif redis.call('HGET', bag_key, 'bag_id') == bag_id then
  return {'REPLAYED'}
end
local now = now_ms()
if now >= draws_ms then
  return {'LATE'}
end
check_log(events_key)

redis.call('UNLINK', bag_key)
redis.call('UNLINK', entrants_key)
redis.call('UNLINK', waiting_key)
redis.call('UNLINK', said_key)
redis.call('HSET', bag_key, 'bag_id', bag_id, 'state', 'open', 'doc', doc, 'stay_ms', stay_ms,
  'phrase', phrase, 'draws_ms', string.format('%.0f', draws_ms), 'keep_ms', string.format('%.0f', keep_ms))
redis.call('PEXPIRE', bag_key, draws_ms - now + keep_ms)
room_log(room_key, events_key, channel_key, room, now, history, kind, rest)
return {'OPENED'}
