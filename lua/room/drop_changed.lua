#!lua
-- drop_changed: sends a drop's state to its room, by the books after a log entry.
--
-- KEYS  1 room_key          hash
--       2 events_key        stream
--       3 drops_key         hash
--       4 channel_key       channel of sharded pub/sub
-- ARGV  1 drop_id           text
--       2 log_id            id of the entry in the partition's log, 0-0 before the opening
--       3 state             draft | open | paused | closed
--       4 available         units
--       5 allotted          units
--       6 opens_ms          ms
--       7 closes_ms         ms
--       8 card              constant members of the drop, as JSON without braces
--       9 tick_ms           the shortest time between two `stock` events
--      10 history           approximate number of kept events, ≥ 1
-- RETURNS  {'UNKNOWN_ROOM'} | {'OLD'} | {'LATER', wait_ms} | {'SAME', wait_ms} | {'TOLD', wait_ms};
--          wait_ms is the time until the next call, 0 for none: with LATER for the next count, else
--          for the opening
-- LOGS     stock, or the new phase: drop.open, drop.sold_out …; when TOLD
--
-- The phase depends on Redis's clock. Repeated calls send nothing twice: for each drop the room stores
-- the last entry and phase that were sent, and whether the opening was sent, because a pause may come
-- between the countdown and the sale. LATER: too soon for another count; the next call sends the
-- newest one.

--!include now
--!include room
--!include room_log
--!include older

local room_key, events_key, drops_key, channel_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local drop_id, log_id, state = ARGV[1], ARGV[2], ARGV[3]
local available, allotted = tonumber(ARGV[4]), tonumber(ARGV[5])
local opens_ms, closes_ms = tonumber(ARGV[6]), tonumber(ARGV[7])
local card, tick_ms, history = ARGV[8], tonumber(ARGV[9]), ARGV[10]

local PHASES = {draft = 'prepared', paused = 'paused', closed = 'closed'}
local EVENTS = {prepared = 'drop.prepared', opening = 'drop.opening', sold_out = 'drop.sold_out',
  paused = 'drop.paused', closed = 'drop.closed'}

local room = read_room(room_key)
if not room then
  return {'UNKNOWN_ROOM'}
end
check_log(events_key)
local now = now_ms()
local phase = PHASES[state]
if not phase then
  phase = now < opens_ms and 'opening' or available == 0 and 'sold_out' or 'open'
end

local wait_ms = phase == 'opening' and math.max(1, opens_ms - now) or 0

local told = redis.call('HGET', drops_key, 'told:' .. drop_id)
local told_id, before, told_ms, told_available, told_allotted, told_opens_ms, opening_told
if told then
  told_id, before, told_ms, told_available, told_allotted, told_opens_ms, opening_told =
    string.match(told, '^([^|]+)|([^|]+)|(%d+)|(%d+)|(%d+)|(%d+)|([01])$')
  if is_older(log_id, told_id) then
    return {'OLD'}
  end
end
local counts_alike = told and tonumber(told_available) == available and
  tonumber(told_allotted) == allotted and tonumber(told_opens_ms) == opens_ms
local counts = string.format(',"phase":"%s","remaining":%d,"allotted":%d,"opens_ms":%.0f,"closes_ms":%.0f}',
  phase, available, allotted, opens_ms, closes_ms)
local drop = '{' .. card .. counts
-- Only a draft has another card now and then.
local cards_alike = phase ~= 'prepared' or redis.call('HGET', drops_key, drop_id) == drop
if before == phase and counts_alike and cards_alike then
  return {'SAME', wait_ms}
end
local kinds = {}
local has_opened = opening_told == '1' and phase ~= 'opening' -- else this clock was ahead
if not told then -- the room was rebuilt: earlier events are in its former epoch
  has_opened = (phase == 'paused' or phase == 'sold_out') and now >= opens_ms
end
if before == phase and (phase ~= 'opening' and phase ~= 'prepared') then
  local since_ms = now - tonumber(told_ms)
  if since_ms >= 0 and since_ms < tick_ms then -- negative: this clock was ahead
    return {'LATER', tick_ms - since_ms}
  end
  kinds[1] = 'stock'
else
  local sells = phase == 'open' or phase == 'sold_out'
  if sells and not has_opened then
    kinds[1] = 'drop.open' -- it may sell out at once: both events are sent
    has_opened = true
  elseif phase == 'open' and before == 'sold_out' then
    kinds[1] = 'drop.returned'
  elseif phase == 'open' then
    kinds[1] = 'drop.resumed'
  end
  if phase ~= 'open' then
    kinds[#kinds + 1] = EVENTS[phase]
  end
end

redis.call('HSET', drops_key, drop_id, drop, 'told:' .. drop_id,
  string.format('%s|%s|%.0f|%d|%d|%.0f|%d', log_id, phase, now, available, allotted, opens_ms,
    has_opened and 1 or 0))
for i = 1, #kinds do
  local rest = ',"drop":' .. drop .. '}'
  if kinds[i] == 'stock' then
    rest = string.format(',"stock":{"drop_id":"%s","remaining":%d,"allotted":%d}}',
      drop_id, available, allotted)
  end
  room_log(room_key, events_key, channel_key, room, now, history, kinds[i], rest)
end
return {'TOLD', wait_ms}
