-- records: a reservation packed as `state|buyer|quantity|price_fen|expires_ms[|paid[|refunds]]`.
-- state is h(eld), s(old), r(eleased) or e(xpired); refunds are payment ids joined by commas.
-- Raises, before any write, on a malformed text.
local function unpack_record(text, rid)
  local state, buyer, quantity, price_fen, expires_ms, rest =
    string.match(text, '^([hsre])|([^|]*)|(%d+)|(%d+)|(%d+)(.*)$')
  if not state or not string.match(rest, '^$') and not string.match(rest, '^|') then
    error('RECORD of ' .. rid .. ' cannot be read')
  end
  local paid, refunds = string.match(rest, '^|([^|]*)|?(.*)$')
  return {
    state = state,
    buyer = buyer,
    quantity = tonumber(quantity),
    price_fen = tonumber(price_fen),
    expires_ms = tonumber(expires_ms),
    paid = paid or '',
    refunds = refunds or '',
  }
end

local function pack_record(record)
  local text = string.format('%s|%s|%d|%.0f|%.0f', record.state, record.buyer, record.quantity,
    record.price_fen, record.expires_ms)
  if record.refunds ~= '' then
    return text .. '|' .. record.paid .. '|' .. record.refunds
  elseif record.paid ~= '' then
    return text .. '|' .. record.paid
  end
  return text
end
