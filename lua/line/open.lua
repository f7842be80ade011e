#!lua
-- open: puts a line in front of a drop that sells by tickets. People gather until it opens.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 line_key          hash
--       4 log_key           stream
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 commitment        SHA-256 of the seed, 64 hexadecimal digits
--       4 turn_ms           ms, how long a turn lasts
--       5 rate              people per second, at most
--       6 capacity          places, at most
--       7 mode              turns | draw | waitlist
-- RETURNS  {'FENCED'} | {'UNKNOWN_DROP'} | {'OPENED'} | {'REPLAYED'} | {'CONFLICT'} |
--          {'NO_TICKETS'} | {'CLOSED'} | {'TOO_LATE'}
-- LOGS     line_open, row `commitment|turn_ms|rate|capacity[|mode]`, mode if not turns; when OPENED
--
-- TOO_LATE: the drop is already open, so there would be nobody to shuffle. A waitlist shuffles
-- nobody: it is open from its first moment, whenever that is.

--!include now
--!include books
--!include log

local epoch_key, drop_key, line_key, log_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, drop_id, commitment = ARGV[1], ARGV[2], ARGV[3]
local turn_ms, rate, capacity, mode = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop = read_drop(drop_key)
if not drop then
  return {'UNKNOWN_DROP'}
end
local terms = table.concat({commitment, turn_ms, rate, capacity}, '|')
if mode ~= 'turns' then
  terms = terms .. '|' .. mode
end
local opened_as = redis.call('HGET', line_key, 'opened_as')
local now = now_ms()
if opened_as then
  return {opened_as == terms and 'REPLAYED' or 'CONFLICT'}
elseif not drop.ticket_required then
  return {'NO_TICKETS'}
elseif drop.state == 'closed' or now >= drop.closes_ms then
  return {'CLOSED'}
elseif now >= drop.opens_ms and mode ~= 'waitlist' then
  return {'TOO_LATE'}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
check_log(log_key)

redis.call('HSET', line_key, 'n', 0, 'serving', 0, 'served_ms', 0, 'left', 0,
  'turn_ms', turn_ms, 'rate', rate, 'capacity', capacity, 'commitment', commitment,
  'opened_as', terms, 'mode', mode)
if mode == 'waitlist' then
  redis.call('HSET', line_key, 'state', 'open', 'n0', 0)
else
  redis.call('HSET', line_key, 'state', 'gathering')
end
append_log(log_key, 'line_open', epoch, drop_id, now, drop, terms)
return {'OPENED'}
