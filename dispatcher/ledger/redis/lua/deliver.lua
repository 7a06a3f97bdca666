-- ARGV: id, room, event id or '', event, '1' to take, the token to take it under
local id, room, event_id, event, take, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1', ARGV[7]

forget_expired()
local session = find(id)
if session and is_final(session) then
  return { 'over' }
end
local ended = session and session.place == 'over'
if ended then
  session = nil
end
if is_leased(session, token) then -- sent again, as the answer was lost
  return { 'accepted', held(session, inbox_of(session)) }
end

local free = not session or is_free(session)
local bucket = math.floor(now / DEDUPE_MS)
local ids = base .. 'e:' .. whole(bucket)
if event_id ~= '' then
  local before = base .. 'e:' .. whole(bucket - 1)
  if redis.call('SISMEMBER', ids, event_id) == 1 or redis.call('SISMEMBER', before, event_id) == 1 then
    if take and free and session and redis.call('EXISTS', base .. 'i:' .. id) == 1 then
      return { 'duplicate', hand_out(session, token) }
    end
    return { 'duplicate' }
  end
end

if ended then
  forget(id)
end
redis.call('RPUSH', base .. 'i:' .. id, event)
if not session then
  session = { id = id, room = room, born = whole(now), place = 'due', at = now, token = '', head = 0, lines = '',
    lapses = 0, alone = 0, record = false }
  session.project, session.sid = string.match(id, '^(.-)%z(.*)$')
  redis.call('HSET', base .. 's:' .. id, 'room', room, 'born', session.born)
  redis.call('ZADD', name_of(session), session.born, id)
  redis.call('ZREMRANGEBYRANK', name_of(session), 0, -LIVES_MAX - 1)
  stand_for(session, '[]')
elseif redis.call('LLEN', base .. 'i:' .. id) > INBOX_MAX then
  redis.call('LPOP', base .. 'i:' .. id)
  session.head = session.head + 1
end
if event_id ~= '' then -- not before the event is in: an id without its event would lose the repeat
  redis.call('SADD', ids, event_id)
  redis.call('PEXPIRE', ids, (bucket + 2) * DEDUPE_MS - now + LATE_MS)
end

local answer = { 'accepted' }
if take and free then
  answer[2] = hand_out(session, token)
elseif session.place == 'held' then
  live_on(session)
else
  move(session, 'due', math.max(session.alone, session.place == 'due' and math.min(session.at, now) or now))
end
keep_indexes()
return answer
