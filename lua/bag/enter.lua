#!lua
-- enter: enters a viewer into a lucky bag, at most once, and not after its time.
--
-- KEYS  1 room_key          hash
--       2 bag_key           hash
--       3 entrants_key      zset
--       4 waiting_key       hash
--       5 said_key          zset
--       6 bars_key          hash
-- ARGV  1 bag_id            text
--       2 buyer_id          text
--       3 max_entries       at most so many, ≥ 1
--       4 gap_ms            the longest pause between two calls during a stay
-- RETURNS  {'UNKNOWN_ROOM'} | {'UNKNOWN_BAG'} | {'CLOSED'} | {'BANNED', until_ms} | {'FULL'} |
--          {'UNSAID'} | {'WAIT', wait_ms} | {'REPLAYED', position} | {'ENTERED', position}; positions are 1, 2, 3 …
-- LOGS     nothing
--
-- A bag may require a stay: the first call starts it, further calls continue it, and the first call
-- after it enters. It may require a phrase: `comment` notes who says it in an accepted comment, and
-- `uncomment` removes that note. UNSAID: the phrase is missing; the stay continues. UNKNOWN_ROOM
-- also if the list of bars is missing.

--!include now
--!include room
--!include bars

local room_key, bag_key, entrants_key, waiting_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local said_key, bars_key = KEYS[5], KEYS[6]
local bag_id, buyer_id, max_entries, gap_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

if not read_room(room_key) or not redis.call('HGET', room_key, 'bars_version') then
  return {'UNKNOWN_ROOM'}
end
local bag = redis.call('HMGET', bag_key, 'bag_id', 'state', 'draws_ms', 'stay_ms', 'keep_ms', 'phrase')
if bag[1] ~= bag_id then
  return {'UNKNOWN_BAG'}
end
local position = redis.call('ZSCORE', entrants_key, buyer_id)
if position then
  return {'REPLAYED', tonumber(position)}
end
local now = now_ms()
local draws_ms, stay_ms, keep_ms = tonumber(bag[3]), tonumber(bag[4]), tonumber(bag[5])
local count = redis.call('ZCARD', entrants_key)
if bag[2] ~= 'open' or now >= draws_ms then
  return {'CLOSED'}
end
local _, ban_ms = read_bar(bars_key, buyer_id)
if ban_ms > now then
  return {'BANNED', ban_ms}
elseif count >= max_entries then
  return {'FULL'}
end
local since = now
if stay_ms > 0 then
  local seen = redis.call('HGET', waiting_key, buyer_id)
  local first, last = string.match(seen or '', '^(%d+)|(%d+)$')
  if first and now >= tonumber(last) and now - tonumber(last) <= gap_ms then
    since = tonumber(first)
  end
end

local is_unsaid = (bag[6] or '') ~= '' and not redis.call('ZSCORE', said_key, buyer_id)
local wait_ms = stay_ms - (now - since)

if stay_ms > 0 and (wait_ms > 0 or is_unsaid) then
  redis.call('HSET', waiting_key, buyer_id, string.format('%.0f|%.0f', since, now))
  redis.call('PEXPIRE', waiting_key, draws_ms - now + keep_ms)
end
if is_unsaid then
  return {'UNSAID'}
elseif wait_ms > 0 then
  return {'WAIT', wait_ms}
end
redis.call('ZADD', entrants_key, count + 1, buyer_id)
redis.call('PEXPIRE', entrants_key, draws_ms - now + keep_ms)
return {'ENTERED', count + 1}
