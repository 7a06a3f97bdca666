-- ARGV: project \0 room. Answers its lives, newest first.
local lives = {}
for _, id in ipairs(redis.call('ZREVRANGE', base .. 'n:' .. ARGV[2], 0, -1)) do
  local session = find(id)
  if session then
    lives[#lives + 1] = life(session)
  end
end
return lives
