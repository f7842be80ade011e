#!lua
-- close: ends the gathering at the opening of the drop, and reveals the seed. The line is open then.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 line_key          hash
--       4 log_key           stream
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 commitment        SHA-256 of the seed: the caller has computed it
--       4 seed              64 hexadecimal digits
-- RETURNS  {'FENCED'} | {'UNKNOWN_LINE'} | {'OPENED'} | {'REPLAYED'} | {'TOO_EARLY'} |
--          {'MISMATCH'} | {'CLOSED'}
-- LOGS     line_close, row `n0|seed`; when OPENED
--
-- The order of the first n0 places follows from the seed, n0 and the id of this entry. So nobody
-- knows it before, not even a person who knows the seed.

--!include now
--!include books
--!include log
--!include line

local epoch_key, drop_key, line_key, log_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, drop_id, commitment, seed = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop, line = read_drop(drop_key), read_line(line_key)
if not drop or not line then
  return {'UNKNOWN_LINE'}
end
local now = now_ms()
if commitment ~= line.commitment then
  return {'MISMATCH'}
elseif line.closing_id ~= '' or line.mode == 'waitlist' then
  return {'REPLAYED'}
elseif line.state == 'void' or drop.state == 'closed' or now >= drop.closes_ms then
  return {'CLOSED'}
elseif now < drop.opens_ms then
  return {'TOO_EARLY'}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
check_log(log_key)

local n0 = line.n0 or line.n
local id = append_log(log_key, 'line_close', epoch, drop_id, now, drop,
  string.format('%d|%s', n0, seed))
redis.call('HSET', line_key, 'state', 'open', 'n0', n0, 'seed', seed, 'closing_id', id,
  'served_ms', now)
return {'OPENED'}
