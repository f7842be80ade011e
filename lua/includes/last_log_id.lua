-- last_log_id: the last id of the stream, also if its entry was trimmed.
local function last_log_id(log_key)
  local info = redis.pcall('XINFO', 'STREAM', log_key)
  if info.err then
    return '0-0'
  end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      return info[i + 1]
    end
  end
end
