-- holdings: what one buyer has of a drop, packed as `units[|expired_holds[|ticket]]`: the units held
-- or sold, the holds that ran out, and the serial of the newest purchase ticket that was used.
-- An entry is never removed, so the number of entries tells whether a copy of the names is whole.
-- Raises, before anything was written, on a text that is none, or fewer units than `least`.
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

-- The holdings of `buyers`, a table with their names as keys, as HSET takes them.
local function pack_all_holdings(buyers, units, expired, tickets)
  local packed = {}
  for buyer in pairs(buyers) do
    local n = #packed
    packed[n + 1] = buyer
    packed[n + 2] = pack_holdings(units[buyer], expired[buyer], tickets[buyer])
  end
  return packed
end
