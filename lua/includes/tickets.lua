-- tickets: which attempts of a batch carry one, from `index:serial:expires_ms` joined by commas.
-- The serial of a ticket is the microsecond of its issue: a buyer's tickets rise. So one number a
-- buyer, the newest that was used, makes every ticket good once, and needs no set that grows.
local function read_tickets(text)
  local serials, expiries = {}, {}
  for index, serial, expires_ms in string.gmatch(text, '(%d+):(%d+):(%d+)') do
    local i = tonumber(index)
    serials[i], expiries[i] = tonumber(serial), tonumber(expires_ms)
  end
  return serials, expiries
end
