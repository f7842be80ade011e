#!lua
-- switch_drop: pauses or resumes a sale. A paused drop refuses new reservations; holds continue.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 log_key           stream
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 verb              `pause` or `resume`
-- RETURNS  {'FENCED'} | {'UNKNOWN_DROP'} | {'CHANGED'} | {'REPLAYED'} | {'CLOSED'}
-- LOGS     pause or resume, no rows; when CHANGED

--!include now
--!include books
--!include log
--!include change_state

local epoch_key, drop_key, log_key = KEYS[1], KEYS[2], KEYS[3]
local epoch, drop_id, verb = ARGV[1], ARGV[2], ARGV[3]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local state = verb == 'pause' and 'paused' or 'open'
local drop = read_drop(drop_key)
if not drop then
  return {'UNKNOWN_DROP'}
elseif drop.state == 'closed' then
  return {'CLOSED'}
elseif drop.state == state then
  return {'REPLAYED'}
end
if verb == 'pause' then
  return change_state(drop_key, log_key, epoch, drop_id, 'pause', drop, state)
end
return change_state(drop_key, log_key, epoch, drop_id, 'resume', drop, state)
