-- ARGV: ids. Answers, for each, whether it is known.
forget_expired()
local known = {}
for n = 2, #ARGV do
  local session = find(ARGV[n])
  known[n - 1] = session and (session.place ~= 'over' or is_final(session)) and 1 or 0
  if session and session.place ~= 'over' then
    live_on(session)
  end
end
keep_indexes()
return known
