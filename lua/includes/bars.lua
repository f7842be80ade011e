-- bars: until when somebody is muted, and banned, in a room; 0 for not.
local function read_bar(key, buyer_id)
  local mute_ms, ban_ms = string.match(redis.call('HGET', key, buyer_id) or '0|0', '^(%d+)|(%d+)$')
  return tonumber(mute_ms), tonumber(ban_ms)
end
