-- ARGV: id, token. Answers the lease's end, or false.
forget_expired()
local session = find(ARGV[2])
if not is_leased(session, ARGV[3]) then
  return false
end
move(session, 'held', now + LEASE_MS)
keep_indexes()
return session.at
