#!lua
-- comment: posts a comment in a room, unless the state, a bar or a limit forbids it.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 bars_key          hash
--       4 paces_key         zset
--       5 comments_key      stream
--       6 bag_key           hash
--       7 said_key          zset
--       8 spoken_key        stream
--       9 channel_key       channel of sharded pub/sub
-- ARGV  1 buyer_id          the author; the card has the person_id
--       2 card              the comment without its number and time, members of JSON, no braces
--       3 folded            its text, folded for comparison with phrases
--       4 person_ms         average time per comment of one person, 0 for no limit
--       5 person_burst      comments of one person at once, ≥ 1
--       6 room_ms           average time per comment of the room, 0 for no limit
--       7 kept              number of comments for newcomers, ≥ 1
--       8 history           approximate number of kept events, ≥ 1
--       9 team              1 for host and assistants: a mute of all is not for them; else 0
-- RETURNS  {'UNKNOWN_ROOM'} | {'OVER'} | {'BANNED', until_ms} | {'MUTED', until_ms} |
--          {'ALL_MUTED'} | {'TOO_OFTEN', wait_ms} | {'CROWDED', wait_ms} | {'COUNTED'} |
--          {'SAID', comment_id, now_ms}
-- LOGS     comment; when SAID
--
-- UNKNOWN_ROOM also if the list of bars is missing. CROWDED: the room has too many comments; a burst
-- of two seconds is allowed. The script notes who says the phrase of the open lucky bag, for
-- `bag/enter`; COUNTED: it noted that, but does not show the comment, because the room is too crowded
-- or all are muted. The room's document says the latter: it is what viewers see. What is said waits in
-- `spoken` until the keeper has written it to SQL.

--!include now
--!include room
--!include bars
--!include room_log

local room_key, events_key, bars_key = KEYS[1], KEYS[2], KEYS[3]
local paces_key, comments_key, bag_key = KEYS[4], KEYS[5], KEYS[6]
local said_key, spoken_key, channel_key = KEYS[7], KEYS[8], KEYS[9]
local buyer_id, card, folded = ARGV[1], ARGV[2], ARGV[3]
local person_ms, person_burst = tonumber(ARGV[4]), tonumber(ARGV[5])
local room_ms, kept, history, team = tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9]

local ROOM_BURST_MS = 2000
local SPOKEN = 20000 -- comments that wait for SQL; more than a quarter of an hour of a crowd

local room = read_room(room_key)
local row = redis.call('HMGET', room_key, 'bars_version', 'comments', 'crowded_ms', 'doc')
if not room or not row[1] then
  return {'UNKNOWN_ROOM'}
elseif redis.call('PTTL', room_key) > 0 then
  return {'OVER'}
end
check_log(events_key)
redis.call('XLEN', comments_key)
redis.call('XLEN', spoken_key)
redis.call('ZCARD', said_key)
local bag = redis.call('HMGET', bag_key, 'state', 'phrase', 'draws_ms')
local now = now_ms()
local is_phrase = bag[1] == 'open' and folded ~= '' and folded == bag[2]
local bag_ms = is_phrase and tonumber(bag[3]) - now or 0
local mute_ms, ban_ms = read_bar(bars_key, buyer_id)
if ban_ms > now then
  return {'BANNED', ban_ms}
elseif mute_ms > now then
  return {'MUTED', mute_ms}
end
-- A quotation mark inside of a text has a backslash before it: only the member itself is found.
local all_muted = team ~= '1' and string.find(row[4] or '', ',"muted":true', 1, true) ~= nil
if all_muted and bag_ms <= 0 then
  return {'ALL_MUTED'}
end
local person_full_ms = tonumber(redis.call('ZSCORE', paces_key, buyer_id)) or now
if person_full_ms > now + person_ms * person_burst then
  person_full_ms = now -- noted while this clock was ahead
end
person_full_ms = math.max(person_full_ms, now) + person_ms
local wait_ms = person_full_ms - now - person_ms * person_burst
if wait_ms > 0 then
  return {'TOO_OFTEN', wait_ms}
end
local burst_ms = math.max(room_ms, ROOM_BURST_MS)
local room_full_ms = tonumber(row[3]) or now
if room_full_ms > now + burst_ms then
  room_full_ms = now -- likewise
end
room_full_ms = math.max(room_full_ms, now) + room_ms
wait_ms = room_full_ms - now - burst_ms
if wait_ms > 0 and bag_ms <= 0 then
  return {'CROWDED', math.ceil(wait_ms)}
end
local shown = wait_ms <= 0 and not all_muted
local comment_id = shown and (tonumber(row[2]) or 0) + 1 or 0

if person_ms > 0 then
  redis.call('ZREMRANGEBYSCORE', paces_key, '-inf', now)
  redis.call('ZADD', paces_key, person_full_ms, buyer_id)
  redis.call('PEXPIRE', paces_key, person_ms * person_burst)
end
if bag_ms > 0 then
  redis.call('ZADD', said_key, comment_id, buyer_id)
  redis.call('PEXPIRE', said_key, bag_ms)
end
if comment_id == 0 then
  return {'COUNTED'}
end
redis.call('HSET', room_key, 'comments', string.format('%.0f', comment_id),
  'crowded_ms', string.format('%.3f', room_full_ms))
local comment = string.format('{"comment_id":%.0f,"at_ms":%.0f,', comment_id, now) .. card .. '}'
redis.call('XADD', comments_key, 'MAXLEN', kept, string.format('%.0f-0', comment_id), 'by', buyer_id,
  'c', comment)
redis.call('XADD', spoken_key, 'MAXLEN', '~', SPOKEN, '*', 'by', buyer_id, 'c', comment)
room_log(room_key, events_key, channel_key, room, now, history, 'comment',
  ',"comment":' .. comment .. '}')
return {'SAID', comment_id, now}
