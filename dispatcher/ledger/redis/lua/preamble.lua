-- What every script begins with. KEYS: one of the partition's keys, then `base`, which is never set: while a cluster
-- moves the slot, a script with one key sees only what has moved; with a missing second one it gets TRYAGAIN instead.
-- All other keys begin with `base`, whose hash tag keeps them in the same slot. ARGV[1]: the time, or '' for the server's.
--
-- A session is a hash s:<id>; it stands in exactly one of due, held and rest, or is over (law 7), and always in age.
-- An error is not rolled back. The only one expected, OOM, comes before a script's first write.

local base = KEYS[2]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local INDEXES = { 'due', 'held', 'rest', 'age', 'list', 'count', 'ended', 'ended_bytes' }
local WAITING = '~' -- no state is called so: sessions in which somebody waits, by since when
local ENDED = '^' -- nor so: sessions that have ended, by when
local FORGET_MAX = 100 -- by one script, that none takes long

local function whole(number) -- Lua itself prints 14 digits
  return string.format('%d', number)
end

-- The partition's indexes outlive the youngest session in them.
local function keep_indexes()
  for _, name in ipairs(INDEXES) do
    redis.call('PEXPIRE', base .. name, INDEX_TTL_MS)
  end
end

-- `lines` (JSON) replace those that stood for the session in `count` and `list`; '' for none, not even as a live one.
local function stand_for(session, lines)
  if session.lines == lines then
    return
  end
  local function each(text, by)
    local states, since = {}, nil
    for _, line in ipairs(text ~= '' and cjson.decode(text) or {}) do
      local field = session.project .. '\0' .. line.state .. '\0' .. line.agent
      if redis.call('HINCRBY', base .. 'count', field, by) <= 0 then
        redis.call('HDEL', base .. 'count', field)
      end
      states[line.state] = session.born
      since = line.since and math.min(line.since, since or line.since) or since
    end
    states[''] = text ~= '' and session.born or nil
    states[WAITING] = since and string.format('%013d', since)
    for state, at in pairs(states) do
      local member = session.project .. '\0' .. state .. '\0' .. at .. '\0' .. session.sid
      if by > 0 then
        redis.call('ZADD', base .. 'list', 0, member)
      else
        redis.call('ZREM', base .. 'list', member)
      end
    end
  end
  each(session.lines, -1)
  each(lines, 1)
  session.lines = lines
  redis.call('HSET', base .. 's:' .. session.id, 'lines', lines)
end

-- What is kept under the name, or ''; and the key that holds until when, and it.
local function memo_of(name)
  local key = base .. 'm:' .. name
  local ends, memo = string.match(redis.call('GET', key) or '', '^(%d+) (.*)$')
  return ends and tonumber(ends) > now and memo or '', key
end

-- The script's arguments from `first` on are notices that wait: `nq` has their ids by age, `nb` what each says.
local function post(token, first)
  for n = first, #ARGV do
    local id = string.format('%s-%06d', token, n) -- in the order of their names, too
    redis.call('ZADD', base .. 'nq', whole(now), id)
    redis.call('HSET', base .. 'nb', id, ARGV[n])
  end
  local more = redis.call('ZCARD', base .. 'nq') - NOTICES_MAX
  if more > 0 then
    local oldest = redis.call('ZPOPMIN', base .. 'nq', more)
    for n = 1, #oldest, 2 do
      redis.call('HDEL', base .. 'nb', oldest[n])
    end
  end
  redis.call('PEXPIRE', base .. 'nq', NOTICES_TTL_MS + LATE_MS)
  redis.call('PEXPIRE', base .. 'nb', NOTICES_TTL_MS + LATE_MS)
end

-- The change is announced, if there is one and somebody watches: see changes.lua. A clock that steps back stands still here.
local function announce(change)
  local ends = change ~= '' and string.match(redis.call('GET', base .. 'watch') or '', '^%d+')
  if not ends or tonumber(ends) <= now then
    return
  end
  local last = redis.call('XREVRANGE', base .. 'changes', '+', '-', 'COUNT', 1)[1]
  local at, number = string.match(last and last[1] or '0-0', '^(%d+)-(%d+)$')
  local id = tonumber(at) < now and whole(now) .. '-0' or at .. '-' .. whole(number + 1)
  redis.call('XADD', base .. 'changes', 'MAXLEN', CHANGES_MAX, id, '', change)
  redis.call('PEXPIRE', base .. 'changes', WATCH_MS + LATE_MS)
end

local function name_of(session)
  return base .. 'n:' .. session.project .. '\0' .. session.room
end

local function read(id)
  local fields = { 'room', 'born', 'place', 'at', 'token', 'head', 'expires', 'lapses', 'alone', 'lines', 'record' }
  local found = redis.call('HMGET', base .. 's:' .. id, unpack(fields))
  local session = { id = id }
  session.project, session.sid = string.match(id, '^(.-)%z(.*)$')
  for number, field in ipairs(fields) do
    session[field] = found[number]
  end
  for _, field in ipairs({ 'at', 'head', 'expires', 'lapses', 'alone' }) do
    session[field] = tonumber(session[field] or 0)
  end
  return session
end

-- The session's line among those that have ended.
local function ended_line(session)
  return session.project .. '\0' .. ENDED .. '\0' .. string.format('%013d', session.at) .. '\0' .. session.sid
end

-- Nothing of the session is left.
local function forget(id)
  local session = read(id)
  if session.place then
    stand_for(session, '')
    redis.call('ZREM', name_of(session), id)
  end
  if redis.call('ZREM', base .. 'ended', id) == 1 then
    redis.call('ZREM', base .. 'list', ended_line(session))
    redis.call('DECRBY', base .. 'ended_bytes', #(session.record or ''))
  end
  for _, name in ipairs({ 'due', 'held', 'rest', 'age' }) do
    redis.call('ZREM', base .. name, id)
  end
  redis.call('DEL', base .. 's:' .. id, base .. 'i:' .. id)
end

-- Sessions whose time to live has passed are gone.
local function forget_expired()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. 'age', '-inf', whole(now), 'LIMIT', 0, FORGET_MAX)) do
    forget(id)
  end
end

-- Those that ended first are gone, as long as they are too old, too many or too large: `kept` in replies.py.
local function forget_ended(kept)
  local keep, most, most_bytes = string.match(kept, '^(%d+) (%d+) (%d+)$')
  for _ = 1, FORGET_MAX do
    local first = redis.call('ZRANGE', base .. 'ended', 0, 0, 'WITHSCORES')
    if not first[1] then
      return
    end
    local room = redis.call('ZCARD', base .. 'ended') <= tonumber(most)
      and tonumber(redis.call('GET', base .. 'ended_bytes') or 0) <= tonumber(most_bytes)
    if now < first[2] + (room and keep or OVER_FINAL_MS) then
      return
    end
    forget(first[1])
  end
end

-- The session, or nil.
local function find(id)
  local session = read(id)
  if not session.place then
    return nil
  end
  if session.expires <= now then
    forget(id)
    return nil
  end
  return session
end

-- The session lives on: a day, or where it is over until `forget_ended` comes to it.
local function live_on(session)
  local ttl = session.place == 'over' and KEEP_MAX_MS or LIVE_TTL_MS
  session.expires = now + ttl
  redis.call('ZADD', base .. 'age', whole(session.expires), session.id)
  redis.call('HSET', base .. 's:' .. session.id, 'place', session.place, 'at', whole(session.at),
    'token', session.token, 'head', whole(session.head), 'expires', whole(session.expires),
    'lapses', whole(session.lapses), 'alone', whole(session.alone))
  redis.call('PEXPIRE', base .. 's:' .. session.id, ttl + SPARE_TTL_MS)
  redis.call('PEXPIRE', base .. 'i:' .. session.id, ttl + SPARE_TTL_MS)
  redis.call('PEXPIRE', name_of(session), LIVE_TTL_MS + SPARE_TTL_MS)
end

-- The session is in that place alone: due from `at` on, held until `at`.
local function move(session, place, at)
  if session.place ~= place and session.place ~= 'over' then
    redis.call('ZREM', base .. session.place, session.id)
  end
  session.place, session.at = place, at
  if place == 'over' then
    redis.call('ZADD', base .. 'ended', whole(at), session.id)
    redis.call('ZADD', base .. 'list', 0, ended_line(session))
    redis.call('INCRBY', base .. 'ended_bytes', #session.record)
  else
    redis.call('ZADD', base .. place, whole(at), session.id)
  end
  live_on(session)
end

-- The session's room ended so lately that whatever still comes of it is late.
local function is_final(session)
  return session.place == 'over' and now < session.at + OVER_FINAL_MS
end

-- Nobody has a lease that has not run out, and the session is not left alone.
local function is_free(session)
  return (session.place ~= 'held' or session.at <= now) and session.alone <= now
end

local function is_leased(session, token)
  return session and session.place == 'held' and session.token == token
end

-- The session as its holder gets it, with this inbox: see `held` in replies.py.
local function held(session, inbox, due, lapses)
  return { session.id, session.room, session.token, session.at, now, due or now, session.head + #inbox,
    session.record, inbox, lapses or 0 }
end

local function inbox_of(session)
  return redis.call('LRANGE', base .. 'i:' .. session.id, 0, -1)
end

-- The session is held under the token.
local function hand_out(session, token)
  local due = session.place ~= 'rest' and math.min(session.at, now) or now
  local lapsed = session.place == 'held'
  session.lapses = session.lapses + (lapsed and 1 or 0)
  session.token = token
  move(session, 'held', now + LEASE_MS)
  return held(session, inbox_of(session), due, lapsed and session.lapses or 0)
end

-- The session to read only: see `life` in replies.py.
local function life(session)
  return { session.id, session.room, session.record, tonumber(session.born), session.place == 'due' and session.at,
    session.place == 'over' and session.at or 0 }
end
