-- line_end: whether a line ends now, or comes back. All reads are done, and nothing is written yet.
--
-- A line is over when nothing can return: nothing is available or held, or the sale is over. If
-- units come after that while the sale goes on, the line is open again.
local function next_state(drop, line, refusal)
  if line.state == 'gathering' then
    return refusal == 'CLOSED' and 'void' or nil
  elseif line.state == 'gone' then
    return refusal ~= 'CLOSED' and drop.available > 0 and 'open' or nil
  elseif refusal == 'CLOSED' or (drop.available == 0 and drop.held == 0) then
    return 'gone'
  end
end

-- Writes that state; the code of the answer.
local function change_line(key, log_key, epoch, drop_id, now, drop, line, state)
  if state == 'open' then
    redis.call('HSET', key, 'state', 'open', 'served_ms', now)
    append_log(log_key, 'line_revive', epoch, drop_id, now, drop,
      string.format('%d', line.serving))
    return 'REVIVED'
  end
  redis.call('HSET', key, 'state', state)
  append_log(log_key, 'line_end', epoch, drop_id, now, drop, state)
  return string.upper(state)
end
