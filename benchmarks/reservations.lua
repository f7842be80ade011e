-- wrk's side of closed_loop.py: `wrk -s reservations.lua <url> -- <drop_id> <tokens> <salt> <first>`.
-- Each request has another buyer, from `first` on, and its own key.

local head, tail, tokens, sent = nil, nil, {}, 0

function init(args)
  head = 'POST /v1/drops/' .. args[1] .. '/reservations HTTP/1.1\r\nHost: ' .. wrk.host
    .. '\r\nContent-Type: application/json\r\nContent-Length: 14\r\nAuthorization: Bearer '
  tail = '\r\nIdempotency-Key: ' .. args[3] .. '-'
  sent = tonumber(args[4])
  for token in io.lines(args[2]) do
    tokens[#tokens + 1] = token
  end
end

function request()
  sent = sent + 1
  return head .. tokens[(sent - 1) % #tokens + 1] .. tail .. sent .. '\r\n\r\n{"quantity":1}'
end
