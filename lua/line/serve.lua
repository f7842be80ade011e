#!lua
-- serve: reads the books and gives the next people in line their turn, in one atomic step.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 line_key          hash
--       4 turns_key         zset
--       5 log_key           stream
-- ARGV  1 epoch             integer, ≥ 1
--       2 drop_id           text
--       3 serving           positions served so far, as the caller knows it
--       4 promised          units that the live turns are expected to take
--       5 per_mille         expected units of one turn, in thousandths, ≥ 1
-- RETURNS  {'FENCED'} | {'UNKNOWN_LINE'} | {code, now_ms, serving}, the code one of
--          SERVED | IDLE | MOVED | NOT_OPEN | PAUSED | GONE | VOID | REVIVED
-- LOGS     line_serve, row `first|until`; when SERVED. line_end, row `gone` or `void`, at the end;
--          line_revive, row `serving`; when REVIVED
--
-- MOVED: another keeper has served meanwhile. GONE: nothing is available or held any more, or the
-- sale is over; if units come back while it is not, the line is REVIVED. VOID: the sale was over
-- before the line opened; that is final. A line that holds units for people gives no turns.

--!include now
--!include books
--!include selling
--!include log
--!include line
--!include line_end

local epoch_key, drop_key, line_key = KEYS[1], KEYS[2], KEYS[3]
local turns_key, log_key = KEYS[4], KEYS[5]
local epoch, drop_id, serving = ARGV[1], ARGV[2], tonumber(ARGV[3])
local promised, per_mille = tonumber(ARGV[4]), tonumber(ARGV[5])

if redis.call('GET', epoch_key) ~= epoch then
  return {'FENCED'}
end
local drop, line = read_drop(drop_key), read_line(line_key)
if not drop or not line then
  return {'UNKNOWN_LINE'}
end
local now = now_ms()
if line.state == 'void' then
  return {'VOID', now, line.serving}
end
local broken = broken_books(drop_id, drop)
if broken then
  return broken
end
redis.call('ZCARD', turns_key)
check_log(log_key)

local refusal = why_not_selling(drop, now)
local state = next_state(drop, line, refusal)
if state then
  local code = change_line(line_key, log_key, epoch, drop_id, now, drop, line, state)
  return {code, now, line.serving}
elseif line.state == 'gone' then
  return {'GONE', now, line.serving}
elseif line.state == 'gathering' then
  return {'NOT_OPEN', now, line.serving}
elseif refusal then
  return {refusal, now, line.serving}
elseif line.serving ~= serving then
  return {'MOVED', now, line.serving}
elseif line.mode ~= 'turns' then
  return {'IDLE', now, serving}
end
local elapsed_ms = math.max(0, math.min(now - line.served_ms, 1000))
local count = math.min(line.n - serving, math.floor(line.rate * elapsed_ms / 1000),
  math.ceil((drop.available - promised) * 1000 / per_mille))
if count <= 0 then
  return {'IDLE', now, serving}
end

local ahead = serving + count
local turn = string.format('%d|%d|%.0f', serving, ahead, now)
redis.call('ZADD', turns_key, ahead, turn)
redis.call('HSET', line_key, 'serving', ahead, 'served_ms', now)
append_log(log_key, 'line_serve', epoch, drop_id, now, drop, string.format('%d|%d', serving, ahead))
return {'SERVED', now, ahead}
