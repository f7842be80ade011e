#!lua
-- tally: the counts of a room, for the keeper to store.
--
-- KEYS  1 room_key          hash
--       2 counts_key        hash
-- ARGV  1 born              id of the counts if there are none yet: a text never used before
--       2 keep_ms           how long they are kept after the last change, ms > 0
-- RETURNS  {'UNKNOWN_ROOM'} | {'OK', born, peak, likes, counts}; counts are a list of name and
--          number
-- LOGS     nothing
--
-- If Redis lost the counts, they restart with a new `born`: the caller adds the earlier ones.

--!include room

local room_key, counts_key = KEYS[1], KEYS[2]
local born, keep_ms = ARGV[1], ARGV[2]

if not read_room(room_key) then
  return {'UNKNOWN_ROOM'}
end
local row = redis.call('HMGET', room_key, 'peak', 'likes')
local counts, known = redis.call('HGETALL', counts_key), nil
for i = #counts - 1, 1, -2 do
  if counts[i] == 'born' then
    known = counts[i + 1]
    table.remove(counts, i)
    table.remove(counts, i)
  end
end
if not known then
  redis.call('HSET', counts_key, 'born', born)
end
redis.call('PEXPIRE', counts_key, keep_ms)
return {'OK', known or born, row[1] or '0', row[2] or '0', counts}
