#!lua
-- uncomment: deletes a comment, for newcomers and on every screen.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 comments_key      stream
--       4 said_key          zset
--       5 spoken_key        stream
--       6 channel_key       channel of sharded pub/sub
-- ARGV  1 comment_id        its number, ≥ 1
--       2 by                the required author; empty for any
--       3 history           approximate number of kept events, ≥ 1
-- RETURNS  {'UNKNOWN_ROOM'} | {'UNKNOWN_COMMENT'} | {'NOT_YOURS'} | {'REPLAYED'} | {'DELETED'}
-- LOGS     comment.deleted; when DELETED
--
-- The author is stored only with a kept comment: an older one can be deleted only without `by`, and
-- each time the event is sent. Also deletes the note for a lucky bag's phrase. SQL learns of it by
-- `spoken`.

--!include now
--!include room
--!include room_log

local room_key, events_key, comments_key = KEYS[1], KEYS[2], KEYS[3]
local said_key, spoken_key, channel_key = KEYS[4], KEYS[5], KEYS[6]
local SPOKEN = 20000 -- as in `comment`
local comment_id, by, history = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
elseif comment_id > (tonumber(redis.call('HGET', room_key, 'comments')) or 0) then
  return {'UNKNOWN_COMMENT'}
end
check_log(events_key)
redis.call('ZCARD', said_key)
redis.call('XLEN', spoken_key)
local now = now_ms()
local id = string.format('%.0f-0', comment_id)
local found = redis.call('XRANGE', comments_key, id, id)[1]
if by ~= '' and not (found and found[2][2] == by) then
  return {'NOT_YOURS'}
end
local first = redis.call('XRANGE', comments_key, '-', '+', 'COUNT', 1)[1]
if not found and first and tonumber(string.match(first[1], '^%d+')) < comment_id then
  return {'REPLAYED'}
end

redis.call('XDEL', comments_key, id)
redis.call('ZREMRANGEBYSCORE', said_key, comment_id, comment_id)
redis.call('XADD', spoken_key, 'MAXLEN', '~', SPOKEN, '*', 'd', string.format('%.0f', comment_id),
  'at', string.format('%.0f', now), 'by', by)
room_log(room_key, events_key, channel_key, room, now, history, 'comment.deleted',
  string.format(',"comment":{"comment_id":%.0f}}', comment_id))
return {'DELETED'}
