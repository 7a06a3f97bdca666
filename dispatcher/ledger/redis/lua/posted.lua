-- ARGV: a limit. Answers id and notice, in turn, of the oldest that wait.
local answer = {}
for _, id in ipairs(redis.call('ZRANGE', base .. 'nq', 0, tonumber(ARGV[2]) - 1)) do
  answer[#answer + 1] = id
  answer[#answer + 1] = redis.call('HGET', base .. 'nb', id) or ''
end
return answer
