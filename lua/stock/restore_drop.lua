#!lua
-- restore_drop: writes a part of a drop from SQL while its partition is being recovered.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 buyers_key        hash
--       4 reservations_key  hash
--       5 due_key           zset
--       6 campaigns_key     hash
-- ARGV  1 epoch             recovery's marker in place of the epoch
--       2 drop_id           text
--       3 part              reservations | buyers | due | campaign | adjustments | drop; `drop`
--                           is the last one
--       4 reservations      expected number for the part `drop`
--       5 buyers            expected number for the part `drop`
--       6 adjustments       expected number for the part `drop`
--       7 pairs...          1 to 1000 pairs of texts: rid and record, buyer and holdings, time and
--                           member, field and value
-- RETURNS  {'FENCED'} | {'EXISTS'} | {'TORN', reservations, buyers, adjustments} | {'RESTORED'}
-- LOGS     nothing
--
-- A part may be written twice. The drop does not exist before the part `drop`: adjustments are fields
-- of its hash, but for scripts a hash without a state is not a drop.

--!include books

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, due_key, campaigns_key = KEYS[4], KEYS[5], KEYS[6]
local epoch, drop_id, part = ARGV[1], ARGV[2], ARGV[3]
local reservations, buyers, adjustments = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
elseif redis.call('HEXISTS', drop_key, 'state') == 1 then
  return {'EXISTS'}
end
local pairs_given, fields = {}, {}
for i = 7, #ARGV do
  pairs_given[i - 6] = ARGV[i]
end
if part == 'drop' then
  local found = {redis.call('HLEN', reservations_key), redis.call('HLEN', buyers_key),
    redis.call('HLEN', drop_key)}
  if found[1] ~= reservations or found[2] ~= buyers or found[3] ~= adjustments then
    return {'TORN', found[1], found[2], found[3]}
  end
  for i = 1, #pairs_given, 2 do
    fields[pairs_given[i]] = tonumber(pairs_given[i + 1])
  end
  local broken = broken_books(drop_id, fields)
  if broken then
    return broken
  end
end

if part == 'due' then
  redis.call('ZADD', due_key, unpack(pairs_given))
elseif part == 'campaign' then
  redis.call('HSET', campaigns_key, unpack(pairs_given))
elseif part == 'reservations' then
  redis.call('HSET', reservations_key, unpack(pairs_given))
elseif part == 'buyers' then
  redis.call('HSET', buyers_key, unpack(pairs_given))
else
  redis.call('HSET', drop_key, unpack(pairs_given))
end
return {'RESTORED'}
