-- tickets: the tickets of a batch's attempts, from `index:serial:expires_ms` joined by commas.
-- The serial of a ticket is the microsecond of its issue, so a buyer's serials rise. One number per
-- buyer, the newest used serial, is enough to accept every ticket once; no set grows.
-- A serial from the future was issued while this clock was ahead: such a ticket is invalid, and if
-- it was used then, it must not invalidate present tickets.
local AHEAD_MS = 5000 -- the largest error of an API worker's estimate of this clock

local function newest_serial(now)
  return (now + AHEAD_MS) * 1000
end

local function read_tickets(text)
  local serials, expiries = {}, {}
  for index, serial, expires_ms in string.gmatch(text, '(%d+):(%d+):(%d+)') do
    local i = tonumber(index)
    serials[i], expiries[i] = tonumber(serial), tonumber(expires_ms)
  end
  return serials, expiries
end
