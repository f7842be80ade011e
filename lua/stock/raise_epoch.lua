#!lua
-- raise_epoch: changes a partition's epoch, if it has the expected one.
--
-- KEYS  1 epoch_key         string
-- ARGV  1 epoch             the present value: an integer, or recovery's marker
--       2 next_epoch        integer, ≥ 2, or a word that no engine has: closes the partition
-- RETURNS  {'FENCED'} | {'RAISED'}
-- LOGS     nothing

local epoch_key = KEYS[1]
local epoch, next_epoch = ARGV[1], ARGV[2]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
redis.call('SET', epoch_key, next_epoch)
return {'RAISED'}
