-- ARGV: by which factor, the most. Answers as text the factor in force. KEYS[1] holds it, and until when.
local by, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local factor, ends = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%d+)$')
if not factor or tonumber(ends) <= now then
  factor = 1
end
factor = math.min(most, math.max(1, factor * by))
if factor == 1 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], string.format('%.17g ', factor) .. whole(now + ADJUST_TTL_MS), 'PX', ADJUST_TTL_MS + LATE_MS)
end
return string.format('%.17g', factor)
