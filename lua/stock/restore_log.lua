#!lua
-- restore_log: begins the log of a recovered partition where SQL ends, so that lag stays exact.
--
-- KEYS  1 epoch_key         string
--       2 log_key           stream
-- ARGV  1 epoch             recovery's marker in place of the epoch
--       2 offset            id of the last entry that SQL holds, not 0-0
--       3 entries           how many entries SQL holds, ≥ 1
-- RETURNS  {'FENCED'} | {'EXISTS'} | {'RESTORED'}
-- LOGS     nothing
--
-- The entry at the offset stands for all before it; readers only check that it exists.

local epoch_key, log_key = KEYS[1], KEYS[2]
local epoch, offset, entries = ARGV[1], ARGV[2], ARGV[3]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
elseif redis.call('XLEN', log_key) > 0 then
  return {'EXISTS'}
end
redis.call('XADD', log_key, offset, 'v', '1', 'k', 'restored', 'e', epoch)
redis.call('XSETID', log_key, offset, 'ENTRIESADDED', entries, 'MAXDELETEDID', '0-0')
return {'RESTORED'}
