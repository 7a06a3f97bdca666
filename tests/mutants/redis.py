"""Mistakes in the Redis ledger: `python -m tests.mutants.redis`. About twenty minutes.

The columns: what the tests of the contract and of this home make of a mutant, and what the state machine alone makes of
it. The machine has three sessions on a clock of its own: it sees neither bounds on many nor what the server does later.
"""

from tests.mutants.run import Mutant, run_all

SELECTIONS = (
    ("tests/contract/ledger", "--ignore=tests/contract/ledger/test_machine.py", "-k", "redis"),
    ("tests/contract/ledger/test_machine.py", "-k", "redis"),
)

PREAMBLE = (
    Mutant("indexes are immortal", "    redis.call('PEXPIRE', base .. name, INDEX_TTL_MS)\n", ""),
    Mutant("sessions are immortal", "  redis.call('PEXPIRE', base .. 's:' .. session.id, ttl + SPARE_TTL_MS)\n", ""),
    Mutant("inboxes are immortal", "  redis.call('PEXPIRE', base .. 'i:' .. session.id, ttl + SPARE_TTL_MS)\n", ""),
    Mutant("old lines stay in the standings", "  each(session.lines, -1)\n", ""),
    Mutant("a counter at zero stays", "        redis.call('HDEL', base .. 'count', field)\n", ""),
    Mutant("the list keeps what is gone", "        redis.call('ZREM', base .. 'list', member)\n", ""),
    Mutant("a forgotten session stands for something", "    stand_for(session, '')\n    redis", "    redis"),
    Mutant(
        "a forgotten session is in its place",
        "{ 'due', 'held', 'rest', 'age' }) do\n    redis.call('ZREM'",
        "{ 'age' }) do\n    redis.call('ZREM'",
    ),
    Mutant("a forgotten session leaves its keys", "  redis.call('DEL', base .. 's:' .. id, base .. 'i:' .. id)\n", ""),
    Mutant("it expires a millisecond late", "  if session.expires <= now then", "  if session.expires < now then"),
    Mutant("nothing ends for good", "session.place == 'over' and KEEP_MAX_MS or", "session.place == 'over' and 9e9 or"),
    Mutant("a tombstone lives a day", "session.place == 'over' and KEEP_MAX_MS or LIVE_TTL_MS", "LIVE_TTL_MS"),
    Mutant("there may be one more", "base .. 'ended') <= tonumber(most)", "base .. 'ended') <= most + 1"),
    Mutant("there must be one less", "base .. 'ended') <= tonumber(most)", "base .. 'ended') < tonumber(most)"),
    Mutant("their size does not count", "or 0) <= tonumber(most_bytes)", "or 0) <= math.huge"),
    Mutant("they must be smaller", "or 0) <= tonumber(most_bytes)", "or 0) < tonumber(most_bytes)"),
    Mutant("who has just ended may go", "(room and keep or OVER_FINAL_MS)", "(room and keep or 0)"),
    Mutant("it is kept a millisecond longer", "if now < first[2] + (room", "if now <= first[2] + (room"),
    Mutant("all go at once", "  for _ = 1, FORGET_MAX do", "  for _ = 1, 1000 do"),
    Mutant(
        "what was forgotten takes space",
        "    redis.call('DECRBY', base .. 'ended_bytes', #(session.record or ''))\n",
        "",
    ),
    Mutant("what ended takes none", "    redis.call('INCRBY', base .. 'ended_bytes', #session.record)\n", ""),
    Mutant("who was forgotten has ended", "    redis.call('ZREM', base .. 'list', ended_line(session))\n", ""),
    Mutant("who ended is in no list", "    redis.call('ZADD', base .. 'list', 0, ended_line(session))\n", ""),
    Mutant("what ended is immortal", "'count', 'ended', 'ended_bytes' }", "'count' }"),
    Mutant("a lease holds a millisecond longer", "or session.at <= now)", "or session.at < now)"),
    Mutant("who is left alone is handed out", " and session.alone <= now\n", "\n"),
    Mutant("a lapse is not counted", "(lapsed and 1 or 0)", "0"),
    Mutant("a session is in two places", "    redis.call('ZREM', base .. session.place, session.id)\n", ""),
    Mutant("any lease fits", " and session.token == token\n", "\n"),
    Mutant("a lease given back fits", "return session and session.place == 'held' and", "return session and"),
    Mutant("upto is a count", "now, due or now, session.head + #inbox,", "now, due or now, #inbox,"),
    Mutant(
        "who is at rest was late",
        "session.place ~= 'rest' and math.min(session.at, now) or now",
        "math.min(session.at, now)",
    ),
    Mutant("a token is used again", "  session.token = token\n  move", "  move"),
)

DELIVER = (
    Mutant("an ended session takes events", "if session and is_final(session) then", "if false then"),
    Mutant(
        "an ended session is final for ever",
        "if session and is_final(session) then",
        "if session and session.place == 'over' then",
    ),
    Mutant("what was sent again is a repeat", "if is_leased(session, token) then", "if false then"),
    Mutant("only this bucket's ids are known", " or redis.call('SISMEMBER', before, event_id) == 1 then", " then"),
    Mutant("a repeat hands out the drained", " and redis.call('EXISTS', base .. 'i:' .. id) == 1 then", " then"),
    Mutant("a repeat takes what is held", "if take and free and session and redis", "if take and session and redis"),
    Mutant(
        "the id is remembered before the append",
        "redis.call('RPUSH', base .. 'i:' .. id, event)\n",
        "redis.call('SREM', ids, '')\nif event_id ~= '' then redis.call('SADD', ids, event_id) end\n"
        "redis.call('RPUSH', base .. 'i:' .. id, event)\n",
    ),
    Mutant("a name keeps every life", "  redis.call('ZREMRANGEBYRANK', name_of(session), 0, -LIVES_MAX - 1)\n", ""),
    Mutant(
        "the inbox has no end", "LLEN', base .. 'i:' .. id) > INBOX_MAX then", "LLEN', base .. 'i:' .. id) < 0 then"
    ),
    Mutant("a dropped entry does not move the head", "  session.head = session.head + 1\n", ""),
    Mutant("ids are immortal", "  redis.call('PEXPIRE', ids, (bucket + 2) * DEDUPE_MS - now + LATE_MS)\n", ""),
    Mutant("a held session is handed out again", "if take and free then\n  answer", "if take then\n  answer"),
    Mutant(
        "an event makes the overdue less overdue", "session.place == 'due' and math.min(session.at, now) or now", "now"
    ),
)

SAVE = (
    Mutant("no fence", "if not is_leased(session, token) then", "if not session then"),
    Mutant("a save keeps the old record", "redis.call('HSET', base .. 's:' .. id, 'record', record)\n", ""),
    Mutant("upto is a count", "math.min(left, upto - session.head)", "math.min(left, upto)"),
    Mutant(
        "the head stays", "  session.head, left = session.head + drained, left - drained\n", "  left = left - drained\n"
    ),
    Mutant("what came in is left to itself", "  elseif left > 0 then", "  elseif left < 0 then"),
    Mutant("a checkpoint hands out the inbox", "held(session, {})", "held(session, inbox_of(session))"),
    Mutant(
        "a checkpoint renews nothing",
        "  if next_place == 'keep' then\n    move(session, 'held', now + LEASE_MS)\n",
        "  if next_place == 'keep' then\n",
    ),
    Mutant("an ended session stands for something", "  stand_for(session, '')\n", ""),
    Mutant("an ended session keeps its inbox", "  redis.call('DEL', inbox)\n", ""),
    Mutant("a save keeps the old index", "  stand_for(session, lines)\n", ""),
    Mutant("what is sent again is announced again", "if record ~= session.record then", "if true then"),
)

FIND = (
    Mutant("what is kept no longer is found", "forget_ended(ARGV[3])\n", ""),
    Mutant("the oldest come first", "'ZREVRANGE'", "'ZRANGE'"),
)

CLAIM = (
    Mutant("a claim comes a millisecond late", "at <= now and", "at < now and"),
    Mutant("a claim knows no limit", " and #answer - 2 < limit do", " do"),
    Mutant("run out leases are left", "{ 'due', 'held' }) do", "{ 'due' }) do"),
    Mutant("one token for all", "token .. '-' .. #answer", "token"),
)

PEEK = (
    Mutant("nothing makes space", "forget_ended(ARGV[3])\n", ""),
    Mutant("leases end unseen", "{ 'due', 'held' }) do", "{ 'due' }) do"),
    Mutant("who takes no writes is not found out", "redis.call('SET', base .. 'w', '', 'PX', LATE_MS)\n", ""),
    Mutant("times are not in order", "table.sort(times)\n", ""),
)

TOUCH = (
    Mutant("a touch touches nothing", "    live_on(session)\n", ""),
    Mutant("a touched tombstone lives on", "if session and session.place ~= 'over' then", "if session then"),
    Mutant("a room that lives again is known as ended", " or is_final(session)) and 1", " or true) and 1"),
)

TURN = (
    Mutant("a turn has no end", "tonumber(ends) > now then", "ends then"),
    Mutant("a turn asked for again is another's", "return owner == token and 1 or 0", "return 0"),
    Mutant("turns are immortal", ", 'PX', every + LATE_MS)", ")"),
)

PACE = (
    Mutant("a burst is one more", "(burst - 1) * interval", "burst * interval"),
    Mutant("a pace begins with each call", "'%.17g', arrival + interval)", "'%.17g', now + interval)"),
    Mutant("numbers lose their ends", "string.format('%.17g', arrival + interval)", "tostring(arrival + interval)"),
    Mutant(
        "a passed arrival counts",
        "math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))",
        "tonumber(redis.call('GET', KEYS[1]) or now)",
    ),
    Mutant("the factor is not asked for", "  interval = interval * tonumber(factor)\n", ""),
)

LIST = (
    Mutant(
        "all states are one",
        "or first, '[' .. lines, 'LIMIT'",
        "or first, '[' .. string.match(ARGV[2], '^.-%z'), 'LIMIT'",
    ),
    Mutant("what is kept no longer is listed", "forget_ended(ARGV[6])\n", ""),
    Mutant("lists begin with where they go on", "'(' .. lines .. after", "'[' .. lines .. after"),
    Mutant("waits are in the wrong order", "if ARGV[5] == 'wait' then", "if false then"),
    Mutant("pages have no end", "'[' .. lines, 'LIMIT', 0, limit)", "'[' .. lines)"),
    Mutant("pages of waits have no end", "first, last, 'LIMIT', 0, limit)", "first, last)"),
    Mutant("a page of the newest begins anew", "after == '' and last or first", "last"),
    Mutant("a page of waits begins anew", "after == '' and '[' .. lines or first", "'[' .. lines"),
    Mutant("who has expired is listed", "forget_expired()\n", ""),
)

KEYS = (
    Mutant("all instances have the same keys", 'else f"{instance}/"', 'else ""'),
    Mutant("what earlier releases wrote is lost", "if instance == UNNAMED else", "if not instance else"),
)

OWN = (
    Mutant("every URL is one", "  if here.url ~= there.url then", "  if not here.url then"),
    Mutant("all keys are one", "      if one == other then", "      if one then"),
    Mutant("who shares nothing is one", "  return not shares and '' or nil", "  return nil"),
    Mutant(
        "a project more is another installation", "    shares = shares or there ~= nil", "    shares = there ~= nil"
    ),
    Mutant("nobody is refused", "  if project and how ~= 'take' then", "  if false then"),
    Mutant("the dead have their keys for ever", "tonumber(ends) > now and redis", "redis"),
    Mutant("its own mark is in its way", "redis.call('HDEL', KEYS[1], token)\nif how", "if how"),
    Mutant("who stops keeps the keys", "if how == 'leave' then\n  return 0\nend\n", ""),
    Mutant("who was refused takes what is free", "'look' or how == 'wait' and not beside then", "'look' then"),
    Mutant("who was refused waits for its own", "how == 'wait' and not beside then", "how == 'wait' then"),
    Mutant("those it was taken from keep it", "  if project or not theirs then", "  if not theirs then"),
    Mutant("marks are immortal", "redis.call('PEXPIRE', KEYS[1], OWN_MS + LATE_MS)\n", ""),
)

OWNER = (
    Mutant("who was refused does not wait", "_How.WAIT, None, self._said", "_How.OWN, None, self._said"),
    Mutant("it is taken over again and again", "self._until = _How.OWN, livekits", "self._until = self._how, livekits"),
    Mutant("a reload is not asked about", " and livekits is self._asked_for:", ":"),
    Mutant("an answer holds for one call", "livekits, now + AGAIN_S", "livekits, now"),
    Mutant("each asks for itself", "            if self._asked_at < came:\n", "            if self._asking:\n"),
    Mutant(
        "who stops says nothing", "        if self._asked_for is not None:\n", "        if self._asked_for is self:\n"
    ),
    Mutant(
        "an outage is patience",
        "            self._free_since, self._trouble = None, error",
        "            self._trouble = error",
    ),
)

MEMO = (
    Mutant("anybody replaces a memo", "if memo ~= before then", "if memo ~= before and false then"),
    Mutant("what stays the same is announced", "if after ~= before then", "if true then"),
    Mutant("memos are immortal", ", 'PX', MEMO_TTL_MS + LATE_MS)", ")"),
    Mutant("a memo has run out at once", "whole(now + MEMO_TTL_MS)", "whole(now)"),
)

ANNOUNCED = (
    Mutant(
        "they are announced for ever",
        "  if not ends or tonumber(ends) <= now then\n    return",
        "  if not ends then\n    return",
    ),
    Mutant("a clock that steps back loses them", "tonumber(at) < now and", "tonumber(at) ~= now and"),
    Mutant("all are kept", "'MAXLEN', CHANGES_MAX, id", "id"),
    Mutant("changes are immortal", "  redis.call('PEXPIRE', base .. 'changes', WATCH_MS + LATE_MS)\n", ""),
)

CHANGES = (
    Mutant(
        "who comes back late is told nothing", "  ends, begun = 0, whole(now)", "  ends, begun = 0, begun or whole(now)"
    ),
    Mutant("old changes come again", "  redis.call('DEL', base .. 'changes')\n", ""),
    Mutant("a watch ends while somebody watches", "tonumber(ends) < now + WATCH_MS / 2", "tonumber(ends) <= now"),
    Mutant(
        "what was dropped is not missed",
        "if redis.call('XLEN', base .. 'changes') >= CHANGES_MAX then",
        "if false then",
    ),
)

MUTANTS = {
    "dispatcher/ledger/redis/keys.py": KEYS,
    "dispatcher/ledger/redis/owner.py": OWNER,
    "dispatcher/ledger/redis/lua/own.lua": OWN,
    "dispatcher/ledger/redis/lua/preamble.lua": (*PREAMBLE, *ANNOUNCED),
    "dispatcher/ledger/redis/lua/changes.lua": CHANGES,
    "dispatcher/ledger/redis/lua/deliver.lua": DELIVER,
    "dispatcher/ledger/redis/lua/save.lua": SAVE,
    "dispatcher/ledger/redis/lua/claim.lua": CLAIM,
    "dispatcher/ledger/redis/lua/peek.lua": PEEK,
    "dispatcher/ledger/redis/lua/touch.lua": TOUCH,
    "dispatcher/ledger/redis/lua/turn.lua": TURN,
    "dispatcher/ledger/redis/lua/pace.lua": PACE,
    "dispatcher/ledger/redis/lua/replace_memo.lua": MEMO,
    "dispatcher/ledger/redis/lua/list.lua": LIST,
    "dispatcher/ledger/redis/lua/find.lua": FIND,
}

if __name__ == "__main__":
    run_all(MUTANTS, SELECTIONS)
