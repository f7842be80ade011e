#!lua flags=no-writes
-- snapshot: one line at one instant, with the books of its drop and its position in the log.
--
-- KEYS  1 epoch_key         string
--       2 drop_key          hash
--       3 line_key          hash
--       4 turns_key         zset
--       5 log_key           stream
-- ARGV  1 after             only turns that end behind this position
-- RETURNS  {'UNKNOWN_LINE'} | {'OK', now_ms, epoch, log_id, state, n, n0, serving, served_ms, left,
--          turn_ms, rate, capacity, commitment, closing_id, seed, drop_state, opens_ms, closes_ms,
--          available, held, mode, turn...}; n0 is -1 before the opening, a turn is `first|until|at_ms`
-- LOGS     nothing

--!include now
--!include books
--!include last_log_id
--!include line

local epoch_key, drop_key, line_key = KEYS[1], KEYS[2], KEYS[3]
local turns_key, log_key = KEYS[4], KEYS[5]
local after = ARGV[1]

local drop, line = read_drop(drop_key), read_line(line_key)
if not drop or not line then
  return {'UNKNOWN_LINE'}
end
local reply = {'OK', now_ms(), tonumber(redis.call('GET', epoch_key)) or 0, last_log_id(log_key),
  line.state, line.n, line.n0 or -1, line.serving, line.served_ms, line.left, line.turn_ms,
  line.rate, line.capacity, line.commitment, line.closing_id, line.seed, drop.state,
  drop.opens_ms, drop.closes_ms, drop.available, drop.held, line.mode}
for _, turn in ipairs(redis.call('ZRANGE', turns_key, '(' .. after, '+inf', 'BYSCORE')) do
  reply[#reply + 1] = turn
end
return reply
