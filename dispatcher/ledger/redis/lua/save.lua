-- ARGV: id, token, record, upto, what then, the due time, the session's lines, the change; where there are notices, the
-- token of this save and they
local id, token, record, upto = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local next_place, due_at, lines = ARGV[6], tonumber(ARGV[7]), ARGV[8]

forget_expired()
local session = find(id)
if not is_leased(session, token) then
  return { 'lost' }
end
if record ~= session.record then -- else sent again
  announce(ARGV[9])
end
redis.call('HSET', base .. 's:' .. id, 'record', record)
if ARGV[10] and redis.call('HGET', base .. 's:' .. id, 'posted') ~= ARGV[10] then -- else sent again
  post(ARGV[10], 11)
  redis.call('HSET', base .. 's:' .. id, 'posted', ARGV[10])
end
session.record = record
local inbox = base .. 'i:' .. id
local left = redis.call('LLEN', inbox)
local drained = math.min(left, upto - session.head)
if drained > 0 then
  redis.call('LTRIM', inbox, drained, -1)
  session.head, left = session.head + drained, left - drained
end

if next_place ~= 'keep' then
  session.lapses = 0
end
local answer = { 'ok' }
if next_place == 'over' then
  redis.call('DEL', inbox)
  stand_for(session, '')
  move(session, 'over', now)
else
  stand_for(session, lines)
  if next_place == 'keep' then
    move(session, 'held', now + LEASE_MS)
    answer = { 'kept', held(session, {}) }
  elseif left > 0 then
    move(session, 'held', now + LEASE_MS)
    answer = { 'more', held(session, inbox_of(session)) }
  else
    move(session, next_place, due_at)
  end
end
keep_indexes()
return answer
