#!lua
-- bars: copies all mutes and bans of a room from SQL, if Redis has an older list.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 bars_key          hash
--       4 channel_key       channel of sharded pub/sub
-- ARGV  1 bars_version      of the room's bars in SQL
--       2 history           approximate number of kept events, ≥ 1
--       3 bars...           triples: buyer_id, person_id, and muted until | banned until, ms; 0 for
--                           none
-- RETURNS  {'UNKNOWN_ROOM'} | {'EXISTS'} | {'SYNCED'}
-- LOGS     viewer.barred and viewer.unbarred for differences to the older list; when SYNCED
--
-- If this runs before `bar`, it sends the event of that change instead. Without an older list it sends
-- nothing: the room was missing, and starts again. It does not send the end of a bar from a release
-- that stored no person_id (the field #buyer_id).

--!include now
--!include room
--!include room_log

local room_key, events_key, bars_key, channel_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local bars_version, history = tonumber(ARGV[1]), ARGV[2]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
local known = tonumber(redis.call('HGET', room_key, 'bars_version'))
if bars_version <= (known or -1) then
  return {'EXISTS'}
end
check_log(events_key)
local keep_ms = redis.call('PTTL', room_key)
local now = now_ms()

local function untils(terms)
  local mute_ms, ban_ms = string.match(terms or '', '^(%d+)|(%d+)$')
  return {mute = tonumber(mute_ms) or 0, ban = tonumber(ban_ms) or 0}
end
local before, after, people, person_ids = {}, {}, {}, {}
local older = redis.call('HGETALL', bars_key)
for i = 1, #older, 2 do
  local named = string.match(older[i], '^#(.+)$')
  if named then
    person_ids[named] = older[i + 1]
  else
    before[older[i]] = older[i + 1]
    people[#people + 1] = older[i]
  end
end
for i = 3, #ARGV, 3 do
  after[ARGV[i]], person_ids[ARGV[i]] = ARGV[i + 2], ARGV[i + 1]
  if not before[ARGV[i]] then
    people[#people + 1] = ARGV[i]
  end
end

redis.call('UNLINK', bars_key)
for i = 3, #ARGV, 3 do
  redis.call('HSET', bars_key, ARGV[i], ARGV[i + 2], '#' .. ARGV[i], ARGV[i + 1])
end
if keep_ms > 0 then
  redis.call('PEXPIRE', bars_key, keep_ms)
end
redis.call('HSET', room_key, 'bars_version', bars_version)
for _, buyer_id in ipairs(known and people or {}) do
  local was, is = untils(before[buyer_id]), untils(after[buyer_id])
  for _, bar in ipairs({'mute', 'ban'}) do
    local who = ',"viewer":{"person_id":"' .. (person_ids[buyer_id] or '') ..
      '","bar":"' .. bar .. '"'
    if is[bar] > now and is[bar] ~= was[bar] then
      room_log(room_key, events_key, channel_key, room, now, history, 'viewer.barred',
        who .. string.format(',"until_ms":%.0f}}', is[bar]))
    elseif is[bar] == 0 and was[bar] > now and person_ids[buyer_id] then
      room_log(room_key, events_key, channel_key, room, now, history, 'viewer.unbarred', who .. '}}')
    end
  end
end
return {'SYNCED'}
