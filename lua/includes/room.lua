-- room: reads what every script of a room needs: the epoch of its channel, the number of the last
-- event, and the version of SQL's row. nil if Redis does not have the room.
local function read_room(key)
  local row = redis.call('HMGET', key, 'epoch', 'offset', 'version')
  if not row[1] then
    return nil
  end
  return {epoch = row[1], offset = tonumber(row[2]), version = tonumber(row[3])}
end
