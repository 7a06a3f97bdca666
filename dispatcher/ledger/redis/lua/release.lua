-- ARGV: id, token
forget_expired()
local session = find(ARGV[2])
if is_leased(session, ARGV[3]) then
  move(session, 'due', now)
  keep_indexes()
end
return 1
