#!lua
-- report: adds a worker's viewers and likes to a room's counts, and sends them.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 workers_key       hash
--       4 channel_key       channel of sharded pub/sub
-- ARGV  1 worker            its name; empty to only remove dead workers
--       2 viewers           its present viewers, ≥ 0
--       3 likes             since the last turn, ≥ 0
--       4 turn              number of this report: likes of a known turn are not added again
--       5 lease_ms          a worker without a report for so long is dead; its viewers do not count
--       6 tick_ms           the shortest time between two events
--       7 history           approximate number of kept events, ≥ 1
-- RETURNS  {'UNKNOWN_ROOM'} | {'COUNTED', online, peak, likes, wait_ms, silence_ms}; wait_ms is the
--          time until the next event, 0 for none; silence_ms is the time since the last heartbeat
-- LOGS     people; when the counts have changed
--
-- The viewers of a dead worker reconnect to other workers before its lease ends, and are counted
-- twice until then. So a peak counts only after every worker in it has reported again.

--!include now
--!include room
--!include room_log

local room_key, events_key, workers_key, channel_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local worker, viewers, likes, turn = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local lease_ms, tick_ms, history = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
check_log(events_key)
local over = redis.call('PTTL', room_key) > 0
local row = redis.call('HMGET', room_key, 'peak', 'likes', 'rise', 'rise_ms', 'told_people', 'told_ms',
  'beat_ms')
local workers = redis.call('HGETALL', workers_key)
local now = now_ms()

local online, oldest_ms, gone, lost, known_turn = viewers, now, {}, false, nil
for i = 1, #workers, 2 do
  local count, its_turn, seen_ms = string.match(workers[i + 1], '^(%d+)|(%d+)|(%d+)$')
  count, seen_ms = tonumber(count), tonumber(seen_ms)
  if workers[i] == worker then
    known_turn = its_turn
  elseif seen_ms + lease_ms < now or seen_ms > now then -- later than now: this clock was ahead
    gone[#gone + 1] = workers[i]
    lost = lost or count > 0
  else
    online = online + count
    oldest_ms = count > 0 and math.min(oldest_ms, seen_ms) or oldest_ms
  end
end

local all_likes = tonumber(row[2]) or 0
if turn ~= known_turn then
  all_likes = all_likes + likes
end
local peak, rise, rise_ms = tonumber(row[1]) or 0, tonumber(row[3]) or 0, tonumber(row[4]) or 0
rise_ms = math.min(rise_ms, now)
if lost then
  rise = 0
elseif rise > 0 and oldest_ms > rise_ms then
  peak = math.max(peak, math.min(rise, online))
  rise = 0
end
if rise == 0 and online > peak then
  rise, rise_ms = online, now
end

local people = string.format('{"online":%.0f,"peak":%.0f,"likes":%.0f}', online, peak, all_likes)
local news = people ~= (row[5] or '{"online":0,"peak":0,"likes":0}') and not over
local told_ms, beat_ms = tonumber(row[6]) or 0, tonumber(row[7]) or now
if told_ms > now then
  told_ms = 0 -- this clock was ahead
end
local wait_ms = news and math.max(0, told_ms + tick_ms - now) or 0

local sums = {string.format('%.0f', peak), string.format('%.0f', all_likes),
  string.format('%.0f', rise), string.format('%.0f', rise_ms)}
if sums[1] ~= row[1] or sums[2] ~= row[2] or sums[3] ~= row[3] or sums[4] ~= row[4] then
  redis.call('HSET', room_key, 'peak', sums[1], 'likes', sums[2], 'rise', sums[3], 'rise_ms', sums[4])
end
if beat_ms > now then
  beat_ms = now -- this clock was ahead: the silence begins now
  redis.call('HSET', room_key, 'beat_ms', string.format('%.0f', now))
end
for i = 1, #gone do
  redis.call('HDEL', workers_key, gone[i])
end
if worker ~= '' then
  redis.call('HSET', workers_key, worker, string.format('%.0f|%s|%.0f', viewers, turn, now))
  redis.call('PEXPIRE', workers_key, 2 * lease_ms)
end
if news and wait_ms == 0 then
  redis.call('HSET', room_key, 'told_people', people, 'told_ms', string.format('%.0f', now))
  room_log(room_key, events_key, channel_key, room, now, history, 'people',
    ',"people":' .. people .. '}')
end
return {'COUNTED', online, peak, all_likes, wait_ms, now - beat_ms}
