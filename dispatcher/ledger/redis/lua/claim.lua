-- ARGV: a limit, the beginning of the tokens. Answers the time, when the next session is claimable or false, and up to
-- `limit` sessions that are, the longest due first.
local limit, token = tonumber(ARGV[2]), ARGV[3]

local function first()
  local place, id, at = nil, nil, math.huge
  for _, one in ipairs({ 'due', 'held' }) do
    local found = redis.call('ZRANGE', base .. one, 0, 0, 'WITHSCORES')
    if found[1] and tonumber(found[2]) < at then
      place, id, at = one, found[1], tonumber(found[2])
    end
  end
  return id, at
end

forget_expired()
local answer = { now, false }
local id, at = first()
while id and at <= now and #answer - 2 < limit do
  local session = find(id)
  if session then
    answer[#answer + 1] = hand_out(session, token .. '-' .. #answer)
  else
    forget(id)
  end
  id, at = first()
end
answer[2] = id and at or false
keep_indexes()
return answer
