-- ARGV: every how many ms, the caller's token. KEYS[1] holds until when the turn runs, and whose it is.
local every, token = tonumber(ARGV[2]), ARGV[3]
local ends, owner = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (.*)$')
if ends and tonumber(ends) > now then
  return owner == token and 1 or 0 -- sent again, as the answer was lost
end
redis.call('SET', KEYS[1], whole(now + every) .. ' ' .. token, 'PX', every + LATE_MS)
return 1
