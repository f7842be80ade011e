#!lua
-- adjust_drop: restocks (delta > 0) or scraps available units (delta < 0). Once per adjust_id.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 log_key           stream
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 adjust_id         text, the same at every retry
--       4 delta             units, not 0
--       5 max_units         maximum of units in a drop
--       6 reason            text, percent-encoded
-- RETURNS  {'FENCED'} | {'UNKNOWN_DROP'} | {code, available}, code one of
--          ADJUSTED | REPLAYED | CONFLICT | TOO_FEW | TOO_MANY | CLOSED
-- LOGS     adjust, row `adjust_id|delta|reason`; when ADJUSTED

--!include now
--!include books
--!include log

local epoch_key, drop_key, log_key = KEYS[1], KEYS[2], KEYS[3]
local epoch, drop_id, adjust_id = ARGV[1], ARGV[2], ARGV[3]
local delta, max_units, reason = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop = read_drop(drop_key)
if not drop then
  return {'UNKNOWN_DROP'}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
local adjusted = redis.call('HGET', drop_key, 'adjust:' .. adjust_id)
if adjusted then
  return {tonumber(adjusted) == delta and 'REPLAYED' or 'CONFLICT', drop.available}
elseif drop.state == 'closed' then
  return {'CLOSED', drop.available}
elseif drop.available + delta < 0 then
  return {'TOO_FEW', drop.available}
elseif drop.allotted + delta > max_units then
  return {'TOO_MANY', drop.available}
end
check_log(log_key)

drop.available = drop.available + delta
if delta > 0 then
  drop.allotted = drop.allotted + delta
else
  drop.burned = drop.burned - delta
end
broken = broken_books(drop_id, drop)
if broken then
  return broken
end

redis.call('HSET', drop_key, 'allotted', drop.allotted, 'available', drop.available,
  'burned', drop.burned, 'adjust:' .. adjust_id, delta)
append_log(log_key, 'adjust', epoch, drop_id, now_ms(), drop,
  table.concat({adjust_id, delta, reason}, '|'))
return {'ADJUSTED', drop.available}
