-- change_state: changes a drop's state, and logs it under the name of the verb.
local function change_state(drop_key, log_key, epoch, drop_id, verb, drop, state)
  local broken = broken_books(drop_id, drop)
  if broken then
    return broken
  end
  check_log(log_key)
  redis.call('HSET', drop_key, 'state', state)
  append_log(log_key, verb, epoch, drop_id, now_ms(), drop, '')
  return {'CHANGED'}
end
