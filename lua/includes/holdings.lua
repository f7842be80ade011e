-- holdings: a buyer's holdings of a drop, packed as `units[|expired_holds[|ticket]]`: the units held
-- or sold, the number of expired holds, and the serial of the newest used purchase ticket.
-- Entries are never removed, so their number shows whether a copy of the names is complete.
-- Raises, before any write, on a malformed text, or on fewer units than `least`.
local function unpack_holdings(text, buyer, least)
  if not text then
    return 0, 0, 0
  end
  local units, expired, ticket = string.match(text, '^(%d+)|?(%d*)|?(%d*)$')
  if not units or tonumber(units) < least then
    error('HOLDINGS of ' .. buyer .. ' cannot be right: ' .. text)
  end
  return tonumber(units), tonumber(expired) or 0, tonumber(ticket) or 0
end

local function pack_holdings(units, expired, ticket)
  if ticket > 0 then
    return string.format('%d|%d|%.0f', units, expired, ticket)
  elseif expired > 0 then
    return string.format('%d|%d', units, expired)
  end
  return string.format('%d', units)
end

-- The holdings of `buyers`, a table with their names as keys, as arguments for HSET.
local function pack_all_holdings(buyers, units, expired, tickets)
  local packed = {}
  for buyer in pairs(buyers) do
    local n = #packed
    packed[n + 1] = buyer
    packed[n + 2] = pack_holdings(units[buyer], expired[buyer], tickets[buyer])
  end
  return packed
end
