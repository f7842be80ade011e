-- selling: why a drop does not sell now; nil if it does.
local function why_not_selling(drop, now)
  if drop.state == 'closed' or now >= drop.closes_ms then
    return 'CLOSED'
  elseif now < drop.opens_ms then
    return 'NOT_OPEN'
  elseif drop.state ~= 'open' then
    return 'PAUSED'
  end
end
