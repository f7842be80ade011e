#!lua
-- line_changed: tells a room what the line in front of one of its drops has come to.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 drops_key         hash
--       4 channel_key       channel of sharded pub/sub
-- ARGV  1 drop_id           text
--       2 log_id            id of the newest entry in the partition's log when the line was read
--       3 state             gathering | open | gone | void
--       4 mode              turns | draw | waitlist
--       5 history           approximate number of kept events, ≥ 1
-- RETURNS  {'UNKNOWN_ROOM'} | {'OLD'} | {'SAME'} | {'TOLD'}
-- LOGS     line; when TOLD
--
-- Any number of directors may call it: the room keeps what was told last, and when that was read.

--!include now
--!include room
--!include room_log
--!include older

local room_key, events_key, drops_key, channel_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local drop_id, log_id, state, mode, history = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
check_log(events_key)
local told = redis.call('HGET', drops_key, 'told:line:' .. drop_id)
if told then
  local told_id, told_state = string.match(told, '^([^|]+)|([^|]+)$')
  if is_older(log_id, told_id) then
    return {'OLD'}
  elseif told_state == state then
    return {'SAME'}
  end
end
local now = now_ms()

redis.call('HSET', drops_key, 'told:line:' .. drop_id, log_id .. '|' .. state)
room_log(room_key, events_key, channel_key, room, now, history, 'line',
  string.format(',"line":{"drop_id":"%s","state":"%s","mode":"%s"}}', drop_id, state, mode))
return {'TOLD'}
