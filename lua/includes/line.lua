-- line: reads what most scripts of a line need; nil if the drop has none. n0 is nil until the
-- opening.
local function read_line(key)
  local row = redis.call('HMGET', key, 'state', 'n', 'n0', 'serving', 'served_ms', 'left',
    'turn_ms', 'rate', 'capacity', 'commitment', 'closing_id', 'seed', 'mode')
  if not row[1] then
    return nil
  end
  return {
    state = row[1],
    n = tonumber(row[2]),
    n0 = row[3] and tonumber(row[3]),
    serving = tonumber(row[4]),
    served_ms = tonumber(row[5]),
    left = tonumber(row[6]),
    turn_ms = tonumber(row[7]),
    rate = tonumber(row[8]),
    capacity = tonumber(row[9]),
    commitment = row[10],
    closing_id = row[11] or '',
    seed = row[12] or '',
    mode = row[13] or 'turns',
  }
end
