-- room_log: numbers an event, adds it to the history and publishes it.
-- `rest` is the event's JSON after the members here, from its comma to its last brace.
-- check_log raises on a key of the wrong type; call it before the first write.
local function check_log(events_key)
  redis.call('XLEN', events_key)
end

local function room_log(room_key, events_key, channel_key, room, now, history, kind, rest)
  local offset = room.offset + 1
  local text = '{"offset":' .. string.format('%.0f', offset) .. ',"type":"' .. kind ..
    '","at_ms":' .. string.format('%.0f', now) .. rest
  redis.call('HSET', room_key, 'offset', string.format('%.0f', offset))
  redis.call('XADD', events_key, 'MAXLEN', '~', history, string.format('%.0f-0', offset), 'e', text)
  redis.call('SPUBLISH', channel_key, room.epoch .. ' ' .. string.format('%.0f ', offset) .. text)
  room.offset = offset
end
