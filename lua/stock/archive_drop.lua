#!lua
-- archive_drop: removes a finished drop from Redis, once SQL has everything about it.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 buyers_key        hash
--       4 reservations_key  hash
--       5 due_key           zset
--       6 log_key           stream
--       7 line_key          hash
--       8 places_key        hash
--       9 turns_key         zset
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 books             in SQL: allotted|available|held|sold|burned
--       4 reservations      number of the drop's orders in SQL
--       5 offset            id of SQL's last entry at that time
--       6 max_entries       maximum of entries to check after the offset
--       7 places            number of places of the drop's line in SQL; 0 without a line
-- RETURNS  {'FENCED'} | {'UNKNOWN_DROP'} | {'ARCHIVED'} | {'UNFINISHED'} | {'BEHIND'} | {'DIFFERENT'}
-- LOGS     nothing
--
-- UNFINISHED: not closed, units are held, or its line has not ended. BEHIND: the log after the offset has entries of this
-- drop, or is too long to check. DIFFERENT: the books, the reservations or the places differ from
-- SQL's.

--!include books

local epoch_key, drop_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local reservations_key, due_key, log_key = KEYS[4], KEYS[5], KEYS[6]
local line_key, places_key, turns_key = KEYS[7], KEYS[8], KEYS[9]
local epoch, drop_id, books, reservations = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local offset, max_entries, places = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])

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
elseif drop.state ~= 'closed' or drop.held > 0 then
  return {'UNFINISHED'}
end
local line = redis.call('HGET', line_key, 'state')
if line == 'gathering' or line == 'open' then
  return {'UNFINISHED'}
end
local tail = redis.call('XRANGE', log_key, '(' .. offset, '+', 'COUNT', max_entries + 1)
if #tail > max_entries then
  return {'BEHIND'}
end
for _, entry in ipairs(tail) do
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'd' and fields[i + 1] == drop_id then
      return {'BEHIND'}
    end
  end
end
local joined = tonumber(redis.call('HGET', line_key, 'n') or '0')
if books_text(drop) ~= books or redis.call('HLEN', reservations_key) ~= reservations or
  joined ~= places then
  return {'DIFFERENT'}
end

redis.call('UNLINK', drop_key, buyers_key, reservations_key, line_key, places_key, turns_key)
redis.call('ZREM', due_key, drop_id)
return {'ARCHIVED'}
