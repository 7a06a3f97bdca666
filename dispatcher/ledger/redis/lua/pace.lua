-- ARGV: interval in ms, burst, the name. Answers as text how many ms to wait, and the name's memo. KEYS[1] holds the
-- name's theoretical arrival time (GCRA), base f:<name> how much slower it goes, and until when.
local interval, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local factor, ends = string.match(redis.call('GET', base .. 'f:' .. ARGV[4]) or '', '^(%S+) (%d+)$')
if factor and tonumber(ends) > now then
  interval = interval * tonumber(factor)
end
local arrival = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local wait = math.max(0, arrival - (burst - 1) * interval - now)
redis.call('SET', KEYS[1], string.format('%.17g', arrival + interval), 'PX', math.ceil(arrival + interval - now) + LATE_MS)
return { string.format('%.17g', wait), (memo_of(ARGV[4])) }
