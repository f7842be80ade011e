-- books: reads a drop, checks I1, and formats the counters for the log.
local function read_drop(key)
  local row = redis.call('HMGET', key, 'state', 'opens_ms', 'closes_ms', 'hold_ms', 'buyer_limit',
    'price_fen', 'expired_limit', 'allotted', 'available', 'held', 'sold', 'burned', 'tickets',
    'campaign')
  if not row[1] then
    return nil
  end
  return {
    state = row[1],
    opens_ms = tonumber(row[2]),
    closes_ms = tonumber(row[3]),
    hold_ms = tonumber(row[4]),
    buyer_limit = tonumber(row[5]),
    price_fen = tonumber(row[6]),
    expired_limit = tonumber(row[7]),
    allotted = tonumber(row[8]),
    available = tonumber(row[9]),
    held = tonumber(row[10]),
    sold = tonumber(row[11]),
    burned = tonumber(row[12]),
    ticket_required = row[13] == '1',
    campaign = row[14],
  }
end

local function books_text(drop)
  return string.format('%d|%d|%d|%d|%d',
    drop.allotted, drop.available, drop.held, drop.sold, drop.burned)
end

-- An error reply if I1 does not hold, else nil. Call it on the values read and on those to write,
-- before the first write: a later Lua error would keep the writes before it.
local function broken_books(drop_id, drop)
  local a, h, s, b = drop.available, drop.held, drop.sold, drop.burned
  if not (drop.allotted and a and h and s and b) then
    return redis.error_reply('BOOKS of ' .. drop_id .. ' lack a counter')
  end
  if a < 0 or h < 0 or s < 0 or b < 0 or drop.allotted ~= a + h + s + b then
    return redis.error_reply('BOOKS of ' .. drop_id .. ' do not balance: ' .. books_text(drop))
  end
  return nil
end
