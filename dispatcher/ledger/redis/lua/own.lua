-- ARGV: the process's token, how it asks, its installation (JSON: project → url, keys). Answers 1: the keys are its own for
-- OWN_MS; 0: nobody has them; or the project, '' for none, in which another installation that has them differs, and that
-- installation. KEYS[1]: token → until when, and the digest of the installation, which is in base o:<digest>.
local token, how, mine = ARGV[2], ARGV[3], ARGV[4]

local function is_same(here, there)
  if here.url ~= there.url then
    return false
  end
  for _, one in ipairs(here.keys) do
    for _, other in ipairs(there.keys) do
      if one == other then
        return true
      end
    end
  end
  return false
end

-- The project in which they differ, '' where they share none; nil: they are one, at one LiveKit in each that they share.
local function difference(ours, theirs)
  local shares = false
  for project, here in pairs(ours) do
    local there = theirs[project]
    if there and not is_same(here, there) then
      return project
    end
    shares = shares or there ~= nil
  end
  return not shares and '' or nil
end

redis.call('HDEL', KEYS[1], token)
if how == 'leave' then
  return 0
end
local digest, beside = redis.sha1hex(mine), false
local found = redis.call('HGETALL', KEYS[1])
for n = 1, #found, 2 do
  local ends, whose = string.match(found[n + 1], '^(%d+) (%x+)$')
  local theirs = tonumber(ends) > now and redis.call('GET', base .. 'o:' .. whose)
  local project = theirs and whose ~= digest and difference(cjson.decode(mine), cjson.decode(theirs)) or nil
  if project and how ~= 'take' then
    return { project, theirs }
  end
  if project or not theirs then
    redis.call('HDEL', KEYS[1], found[n])
  else
    beside = true
  end
end
if how == 'look' or how == 'wait' and not beside then
  return beside and 1 or 0
end
redis.call('HSET', KEYS[1], token, whole(now + OWN_MS) .. ' ' .. digest)
redis.call('PEXPIRE', KEYS[1], OWN_MS + LATE_MS)
redis.call('SET', base .. 'o:' .. digest, mine, 'PX', OWN_MS + LATE_MS)
return 1
