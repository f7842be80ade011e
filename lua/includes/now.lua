-- now: milliseconds since 1970 by Redis's clock, the only clock for openings and expiries.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
