-- bars: the end of a buyer's mute and ban in a room, ms; 0 for none.
local function read_bar(key, buyer_id)
  local mute_ms, ban_ms = string.match(redis.call('HGET', key, buyer_id) or '0|0', '^(%d+)|(%d+)$')
  return tonumber(mute_ms), tonumber(ban_ms)
end
