#!lua
-- raise_epoch: gives a partition another epoch, if it has the one that the caller expects.
--
-- KEYS  1 epoch_key         string
-- ARGV  1 epoch             what stands there now: an integer, or what recovery put in its place
--       2 next_epoch        integer, ≥ 2, or a word that no engine has: closed
-- RETURNS  {'FENCED'} | {'RAISED'}
-- LOGS     nothing

local epoch_key = KEYS[1]
local epoch, next_epoch = ARGV[1], ARGV[2]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
redis.call('SET', epoch_key, next_epoch)
return {'RAISED'}
