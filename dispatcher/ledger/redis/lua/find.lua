-- ARGV: project \0 room, which sessions that have ended are kept. Answers its lives, newest first.
forget_ended(ARGV[3])
local lives = {}
for _, id in ipairs(redis.call('ZREVRANGE', base .. 'n:' .. ARGV[2], 0, -1)) do
  local session = find(id)
  if session then
    lives[#lives + 1] = life(session)
  end
end
return lives
