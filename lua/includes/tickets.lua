-- tickets: which attempts of a batch carry one, from `index:serial:expires_ms` joined by commas.
-- The serial of a ticket is the microsecond of its issue: a buyer's tickets rise. So one number a
-- buyer, the newest that was used, makes every ticket good once, and needs no set that grows.
-- A serial from the future was issued while this clock was ahead: such a ticket is not good, and
-- one that was used then must not make those of the present useless.
local AHEAD_MS = 5000 -- what an API worker may think of this clock

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
