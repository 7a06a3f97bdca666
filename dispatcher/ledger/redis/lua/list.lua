-- ARGV: project \0 state, or project \0 for all; a limit. Answers birth \0 sid of the newest.
forget_expired()
local lines = ARGV[2] .. '\0'
local found = redis.call('ZREVRANGEBYLEX', base .. 'list', '(' .. ARGV[2] .. '\1', '[' .. lines, 'LIMIT', 0, ARGV[3])
for n, member in ipairs(found) do
  found[n] = string.sub(member, #lines + 1)
end
return found
