-- keep_room: sets the TTL of all of a room's keys; none with 0.
local function keep_room(keep_ms, keys)
  for _, key in ipairs(keep_ms > 0 and keys or {}) do
    redis.call('PEXPIRE', key, keep_ms)
  end
end
