-- log: appends the single entry of a call that changed something, with the books after it.
-- check_log raises on a key of the wrong type; call it before the first write.
local function check_log(log_key)
  redis.call('XLEN', log_key)
end

local function append_log(log_key, kind, epoch, drop_id, now, drop, rows, ...)
  return redis.call('XADD', log_key, '*', 'v', '1', 'k', kind, 'e', epoch, 'd', drop_id, 't', now,
    'b', books_text(drop), 'r', rows, ...)
end
