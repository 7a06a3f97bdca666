-- ARGV: project \0 state, or project \0 for all, project \0~ for those in which somebody waits, project \0^ for those that
-- have ended; a limit; birth \0 sid after which the list goes on, or ''; 'wait', or ''; which that have ended are kept.
-- Answers birth \0 sid of the newest, or end \0 sid; with 'wait', since when \0 sid of those who have waited longest.
forget_expired()
forget_ended(ARGV[6])
local lines, limit, after = ARGV[2] .. '\0', ARGV[3], ARGV[4]
local first, last = '(' .. lines .. after, '(' .. ARGV[2] .. '\1'
local found
if ARGV[5] == 'wait' then
  found = redis.call('ZRANGEBYLEX', base .. 'list', after == '' and '[' .. lines or first, last, 'LIMIT', 0, limit)
else
  found = redis.call('ZREVRANGEBYLEX', base .. 'list', after == '' and last or first, '[' .. lines, 'LIMIT', 0, limit)
end
for n, member in ipairs(found) do
  found[n] = string.sub(member, #lines + 1)
end
return found
