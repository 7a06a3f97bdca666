-- ARGV: from when. Answers the time, from when on nothing is missing, and the changes from ARGV[2] on, each as its id and
-- its body. base watch says until when changes are announced, and since when.
local key, since = base .. 'watch', tonumber(ARGV[2])
local ends, begun = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
if not ends or tonumber(ends) <= now then
  redis.call('DEL', base .. 'changes')
  ends, begun = 0, whole(now)
end
if tonumber(ends) < now + WATCH_MS / 2 then
  redis.call('SET', key, whole(now + WATCH_MS) .. ' ' .. begun, 'PX', WATCH_MS + LATE_MS)
  redis.call('PEXPIRE', base .. 'changes', WATCH_MS + LATE_MS)
end
local complete_from = tonumber(begun)
if redis.call('XLEN', base .. 'changes') >= CHANGES_MAX then
  local oldest = redis.call('XRANGE', base .. 'changes', '-', '+', 'COUNT', 1)[1]
  complete_from = math.max(complete_from, tonumber(string.match(oldest[1], '^%d+')) + 1)
end
local answer = { now, complete_from }
for _, change in ipairs(redis.call('XRANGE', base .. 'changes', whole(since), '+')) do
  answer[#answer + 1] = change[1]
  answer[#answer + 1] = change[2][2]
end
return answer
