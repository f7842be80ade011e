#!lua
-- restore: writes a part of a line from SQL while its partition is being recovered.
--
-- KEYS  1 epoch_key         string
--       2 line_key          hash
--       3 places_key        hash
--       4 turns_key         zset
-- ARGV  1 epoch             recovery's marker in place of the epoch
--       2 part              places | turns | line; `line` is the last one
--       3 pairs...          1 to 1000 pairs of texts: buyer and place, position and turn, field and
--                           value
-- RETURNS  {'FENCED'} | {'EXISTS'} | {'RESTORED'}
-- LOGS     nothing
--
-- A part may be written twice. The line does not exist before the part `line`.

local epoch_key, line_key, places_key, turns_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, part = ARGV[1], ARGV[2]

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
elseif redis.call('HGET', line_key, 'state') then
  return {'EXISTS'}
end
local pairs_given = {}
for i = 3, #ARGV do
  pairs_given[i - 2] = ARGV[i]
end

if part == 'places' then
  redis.call('HSET', places_key, unpack(pairs_given))
elseif part == 'turns' then
  redis.call('ZADD', turns_key, unpack(pairs_given))
else
  redis.call('HSET', line_key, unpack(pairs_given))
end
return {'RESTORED'}
