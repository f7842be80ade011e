#!lua
-- restore: writes Redis's copy of a room from SQL, if it is missing or older.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 shelf_key         hash
--       4 drops_key         hash
--       5 bars_key          hash
--       6 comments_key      stream
--       7 spoken_key        stream
--       8 channel_key       channel of sharded pub/sub
-- ARGV  1 epoch             of the channel, if the room is missing: a text never used before
--       2 version           of the room in SQL
--       3 doc               the room as viewers see it, JSON
--       4 keep_ms           TTL of the room's keys, 0 for none
--       5 history           approximate number of kept events, ≥ 1
--       6 kind              type of the event
--       7 rest              its other members as JSON, from the comma to the last brace
--       8 items...          pairs: item_id, and the item as JSON
-- RETURNS  {'EXISTS', epoch, offset} | {'SYNCED', epoch, offset} | {'RESTORED', epoch, offset}
-- LOGS     the event; when SYNCED or RESTORED
--
-- A missing room begins a new epoch: its numbers start again, and no client can confuse them with
-- the old ones.

--!include now
--!include room
--!include room_log
--!include keep_room

local room_key, events_key, shelf_key = KEYS[1], KEYS[2], KEYS[3]
local drops_key, bars_key, comments_key = KEYS[4], KEYS[5], KEYS[6]
local spoken_key, channel_key = KEYS[7], KEYS[8]
local epoch, version, doc = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local keep_ms, history, kind, rest = tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]

local room = read_room(room_key)
if room and room.version >= version then
  return {'EXISTS', room.epoch, room.offset}
end
local code = room and 'SYNCED' or 'RESTORED'
local now = now_ms()
if room then
  check_log(events_key)
else
  room = {epoch = epoch, offset = 0}
  redis.call('UNLINK', events_key)
  redis.call('UNLINK', drops_key)
  redis.call('UNLINK', bars_key)
  redis.call('UNLINK', comments_key)
  redis.call('HSET', room_key, 'epoch', epoch, 'beat_ms', string.format('%.0f', now), 'told_ms',
    string.format('%.0f', now))
end

redis.call('UNLINK', shelf_key)
for i = 8, #ARGV, 2 do
  redis.call('HSET', shelf_key, ARGV[i], ARGV[i + 1])
end
redis.call('HSET', room_key, 'version', version, 'doc', doc)
room_log(room_key, events_key, channel_key, room, now, history, kind, rest)
keep_room(keep_ms, {room_key, events_key, shelf_key, drops_key, bars_key, comments_key, spoken_key})
return {code, room.epoch, room.offset}
