-- ARGV: ids. Answers those that are still there.
local lives = {}
for n = 2, #ARGV do
  local session = find(ARGV[n])
  if session then
    lives[#lives + 1] = life(session)
  end
end
return lives
