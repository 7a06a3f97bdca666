-- ARGV: a limit, which sessions that have ended are kept. Answers the time, and the earliest `limit` instants at which a session is claimable, or will be.
local limit = tonumber(ARGV[2])

forget_expired()
forget_ended(ARGV[3])
-- Whether we are ready is judged by claims: one must fail where Redis takes no writes, demoted or full.
redis.call('SET', base .. 'w', '', 'PX', LATE_MS)
local times = {}
for _, place in ipairs({ 'due', 'held' }) do
  local found = redis.call('ZRANGE', base .. place, 0, limit - 1, 'WITHSCORES')
  for n = 2, #found, 2 do
    times[#times + 1] = tonumber(found[n])
  end
end
table.sort(times)
local answer = { now }
for n = 1, math.min(#times, limit) do
  answer[n + 1] = times[n]
end
return answer
