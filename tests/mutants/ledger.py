"""Mistakes in the memory ledger: `python -m tests.mutants.ledger`. About five minutes.

The columns: what the contract's tests make of a mutant, and what the state machine alone makes of it. The machine has
three sessions: it does not see the bounds on many, nor what is the memory ledger's alone, such as waking the claimer.
"""

from tests.mutants.run import Mutant, run_all

SELECTIONS = (
    ("tests/contract/ledger", "--ignore=tests/contract/ledger/test_machine.py"),
    ("tests/contract/ledger/test_machine.py",),
)

OPERATIONS = (
    Mutant("an ended session takes events", "if session and session.place is Place.OVER:", "if not self:"),
    Mutant("a repeat is recorded again", "if event_id in self._event_ids:", "if not self:"),
    Mutant("a repeat hands out the drained", "if take and session and session.inbox", "if take and session"),
    Mutant("a repeat hands nothing out", "if take and session and session.inbox", "if not self"),
    Mutant(
        "the id is remembered before the append",
        "        session = session or self._sessions.open(key, now)\n",
        "        self._event_ids.add(event_id)\n        session = session or self._sessions.open(key, now)\n",
    ),
    Mutant("an event does not make it due", "        self._sessions.hasten(session, now)\n", ""),
    Mutant("a held session is handed out again", "None if session.is_taken(now) else", "None if not self else"),
    Mutant("work that ends well leaves the count", "ended=then is not Then.KEEP", "ended=False"),
    Mutant("a checkpoint ends the row of lapses", "ended=then is not Then.KEEP", "ended=True"),
    Mutant("a token is used again", "        session.token = f", "        session.token = session.token or f"),
    Mutant("tokens are alike in all processes", "secrets.token_hex(8)", '"process"'),
    Mutant("a claim knows no limit", "while len(taken) < limit and", "while"),
    Mutant("a claim comes a millisecond late", "first.at <= now:", "first.at < now:"),
    Mutant("a checkpoint hands out the inbox", "session.handover(now, ()))", "session.handover(now, session.inbox))"),
    Mutant(
        "a checkpoint drains nothing",
        "session.keep(record, upto,",
        "session.keep(record, then is not Then.KEEP and upto,",
    ),
    Mutant("what came in is left to itself", "        elif session.inbox:\n", "        elif not self:\n"),
    Mutant("a save keeps the old index", "        self._sessions.reindex(session, telling.index)\n", ""),
    Mutant(
        "a renewal renews nothing",
        "        self._lease(session, now)\n        return session.lease()",
        "        return session.lease()",
    ),
    Mutant(
        "a release releases nothing",
        "            self._sessions.release(session, now, alone_until)",
        "            pass",
    ),
    Mutant("a save tells nobody", "        self.notices.post(telling.notices)\n", ""),
    Mutant("nothing expires", "        self._sessions.drop_expired(now)\n", ""),
)

PLACES = (
    Mutant("who is left alone is due at once", "max(now, alone_until)", "now"),
    Mutant("who is left alone is handed out", "        session.alone_until = alone_until\n", ""),
    Mutant("there is always room", "if len(self._by_key) >= self._most and", "if not self and"),
    Mutant(
        "an ended session is final for ever",
        "None if session and session.place is Place.OVER and",
        "None if not self and",
    ),
    Mutant("an ended session is there twice", "            self.forget(ended)\n", "            pass\n"),
    Mutant("any lease fits", "Place.HELD and session.token == lease.token else", "Place.HELD else"),
    Mutant(
        "a lease given back fits",
        "session and session.place is Place.HELD and session.token",
        "session and session.token",
    ),
    Mutant("a name keeps every life", "[-LIVES_MAX:]", ""),
    Mutant("nothing ends for good", "(KEEP_MAX_MS if place is Place.OVER else LIVE_TTL_MS)", "10 * KEEP_MAX_MS"),
    Mutant("there may be one more", "len(over) <= kept.max_rooms", "len(over) <= kept.max_rooms + 1"),
    Mutant("there must be one less", "len(over) <= kept.max_rooms", "len(over) < kept.max_rooms"),
    Mutant("their size does not count", " and self._ended_bytes <= kept.max_bytes", ""),
    Mutant("they must be smaller", "self._ended_bytes <= kept.max_bytes", "self._ended_bytes < kept.max_bytes"),
    Mutant("who has just ended may go", "(kept.keep if room else OVER_FINAL_MS)", "(kept.keep if room else 0)"),
    Mutant("it is kept a millisecond longer", "if now < first.at + (kept", "if now <= first.at + (kept"),
    Mutant("all go at once", "islice(over.values(), FORGET_MAX)", "over.values()"),
    Mutant("what was forgotten takes space", "            self._ended_bytes -= session.size\n", "            pass\n"),
    Mutant("what ended takes none", "        self._ended_bytes += session.size\n", ""),
    Mutant("who ended is in no list", "        self._relist(session, ended(now))\n", ""),
    Mutant("a touched tombstone lives on", "        if session.place is Place.OVER:\n            return\n", ""),
    Mutant(
        "an ended session stands for something",
        "        self.reindex(session, None)\n        self._relist",
        "        self._relist",
    ),
    Mutant(
        "a forgotten session stands for something",
        "        self.reindex(session, None)\n        session.ticket",
        "        session.ticket",
    ),
    Mutant(
        "an event makes the overdue less overdue", "min(session.at, now) if session.place is Place.DUE else now", "now"
    ),
    Mutant(
        "a touch touches nothing",
        "            self.renew(session, now)\n        return set",
        "            pass\n        return set",
    ),
    Mutant("a touch keeps the order of expiry", "        self._places[session.place].move_to_end(session.key)\n", ""),
    Mutant("old lines stay in the standings", "            self._standings[project, *gone] -= 1\n", ""),
    Mutant("it expires a millisecond late", ".expires <= now:", ".expires < now:"),
    Mutant("the resting go before the tombstones", "(Place.OVER, Place.REST):", "(Place.REST, Place.OVER):"),
    Mutant(
        "outdated due times are claimed",
        "            if session.ticket == ticket:\n                return session\n",
        "            return session\n",
    ),
    Mutant("outdated due times pile up", "if len(self._heap) > self._rebuild_at:", "if not self:"),
    Mutant(
        "the claimer is woken again and again",
        "            self._announced = -_NEVER\n            self._wake()",
        "            self._wake()",
    ),
    Mutant("the claimer is not told of the sooner", "session.at < self._announced", "self._announced == _NEVER"),
)

SESSION = (
    Mutant(
        "a dropped entry does not move the head",
        "            self.drain(self.head + 1)",
        "            self.inbox = self.inbox[1:]",
    ),
    Mutant("upto is a count", "max(0, upto - self.head)", "upto"),
    Mutant("a lease holds a millisecond longer", "Place.HELD and self.at > now", "Place.HELD and self.at >= now"),
    Mutant("any place is an end", "self.at if self.place is Place.OVER else 0", "self.at"),
)

LISTS = (
    Mutant(
        "it stands where it stood", "            del listed[bisect_left(listed, Listing(at, key.sid, key.room))]\n", ""
    ),
    Mutant(
        "lists are in no order", "insort(self._lists[key.project, name], ", "self._lists[key.project, name].append("
    ),
    Mutant("all states are one", "Order.NEWEST: state or _ALL,", "Order.NEWEST: _ALL,"),
    Mutant("who waits is in no list", "*([(_WAITING, min(waits))] if waits else [])", ""),
    Mutant("the shortest wait counts", "min(waits)", "max(waits)"),
    Mutant("who waits for nobody waits", " if line.since]", "]"),
    Mutant("those that wait are all", "Order.WAIT: _WAITING", "Order.WAIT: _ALL"),
    Mutant("those that ended live", "Order.ENDED: _ENDED", "Order.ENDED: _ALL"),
    Mutant(
        "it goes on with where it was",
        'bisect_left(listed, Listing(*after, ""))',
        "bisect_right(listed, Listing(*after, _LAST))",
    ),
    Mutant(
        "waits go on with where they were",
        "bisect_right(listed, Listing(*after, _LAST))",
        'bisect_left(listed, Listing(*after, ""))',
    ),
    Mutant("the oldest come first", "[max(0, end - limit) : end][::-1]", "[max(0, end - limit) : end]"),
    Mutant("pages have no end", "max(0, end - limit)", "0"),
    Mutant("pages of waits have no end", "[begin : begin + limit]", "[begin:]"),
)

EVENT_IDS = (
    Mutant(
        "only this bucket's ids are known",
        "event_id in self._current or event_id in self._previous",
        "event_id in self._current",
    ),
    Mutant(
        "the last bucket outlives a pause", "self._current if number == self._number + 1 else set()", "self._current"
    ),
    Mutant(
        "events without an id are repeats",
        "        if event_id:\n            self._current",
        "        if self:\n            self._current",
    ),
)

SLOTS = (
    Mutant("asking for a turn puts it off", "self.is_free(name, now) and ", ""),
    Mutant("a burst is one more", "(burst - 1) * interval", "burst * interval"),
    Mutant(
        "a pace begins with each call",
        "self._arrivals[name] = arrival + interval",
        "self._arrivals[name] = now + interval",
    ),
    Mutant(
        "a passed arrival time is not forgotten",
        "        while self._passing and",
        "        while not self and self._passing and",
    ),
    Mutant("what is slow stays slow", "        if until <= now:", "        if not self:"),
    Mutant("it goes faster than asked", "max(1.0, self._slowness(name, now) * by)", "self._slowness(name, now) * by"),
    Mutant(
        "it goes ever slower", "min(most, max(1.0, self._slowness(name, now) * by))", "self._slowness(name, now) * by"
    ),
)

MEMOS = (
    Mutant("anybody replaces a memo", "if (kept := self.get(name, now)) != before:", "if (kept := None):"),
    Mutant("a memo lives a millisecond longer", "[1] <= now:", "[1] < now:"),
    Mutant("a memo is as old as its first", "        self._kept.move_to_end(name)\n", ""),
    Mutant("a memo tells nobody", "        self._notices.post(telling.notices)\n", ""),
    Mutant("memos without number", "if len(self._kept) > MEMOS_MAX:", "if not self:"),
)

NOTICES = (
    Mutant("what is discarded waits on", "            self._waiting.pop(id_, None)\n", "            pass\n"),
    Mutant("notices without number", "if len(self._waiting) > NOTICES_MAX:", "if not self:"),
    Mutant("notices wait for ever", "if self._clock() >= self._until:", "if not self:"),
    Mutant("reading knows no limit", "islice(self._waiting.items(), limit)", "self._waiting.items()"),
)

MUTANTS = {
    "dispatcher/ledger/memory.py": OPERATIONS,
    "dispatcher/ledger/memory_store.py": PLACES,
    "dispatcher/ledger/memory_session.py": SESSION,
    "dispatcher/ledger/memory_lists.py": LISTS,
    "dispatcher/ledger/memory_event_ids.py": EVENT_IDS,
    "dispatcher/ledger/memory_notices.py": NOTICES,
    "dispatcher/ledger/memory_rates.py": SLOTS,
    "dispatcher/ledger/memory_memos.py": MEMOS,
}

if __name__ == "__main__":
    run_all(MUTANTS, SELECTIONS)
