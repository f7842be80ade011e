#!lua flags=allow-oom
-- barrier: writes a key, so that a WAIT after it covers all earlier writes.
--
-- KEYS  1 barrier_key       string, empty
-- ARGV  none
-- RETURNS  {'WRITTEN'}
-- LOGS     nothing
--
-- It also runs when Redis is full: a writer that could not confirm could not free any memory.

local barrier_key = KEYS[1]

redis.call('SET', barrier_key, '')
return {'WRITTEN'}
