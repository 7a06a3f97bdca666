-- ARGV: id, token, until when the session is left alone or nothing
forget_expired()
local session = find(ARGV[2])
if is_leased(session, ARGV[3]) then
  session.alone = tonumber(ARGV[4] or 0)
  move(session, 'due', math.max(now, session.alone))
  keep_indexes()
end
return 1
