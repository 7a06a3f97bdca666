-- ARGV: the name, its memo as it was ('' for none), and as it is to be, the change; where there are notices, a token and
-- they. Answers what it is now.
local name, before, after = ARGV[2], ARGV[3], ARGV[4]
local memo, key = memo_of(name)
if memo ~= before then
  return memo
end
if after ~= before then
  announce(ARGV[5])
end
if ARGV[6] then
  post(ARGV[6], 7)
end
redis.call('SET', key, whole(now + MEMO_TTL_MS) .. ' ' .. after, 'PX', MEMO_TTL_MS + LATE_MS)
return after
