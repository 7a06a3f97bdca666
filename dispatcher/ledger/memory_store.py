"""What the memory ledger keeps, and for how long: sessions by place, and what is due.

Nothing here reads a clock: `now` is handed in. What changed first expires first, so dropping what has expired never
searches.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from itertools import count, islice
from sys import intern
from typing import Final

from msgspec.structs import replace

from dispatcher.core.facts import Ms
from dispatcher.ledger.ended import KEEP_MAX_MS, OVER_FINAL_MS, EndedRooms
from dispatcher.ledger.interface import (
    LIVE_TTL_MS,
    LIVES_MAX,
    Counts,
    Key,
    Lease,
    LedgerUnavailable,
    Life,
    Standing,
)
from dispatcher.ledger.memory_lists import Lists, ended, listings
from dispatcher.ledger.memory_session import Place, StoredSession
from dispatcher.ledger.order import ListedPage, Order

_SLACK: Final = 64  # outdated agenda entries that do not yet make a rebuild worth it
_NEVER: Final = float("inf")
FORGET_MAX: Final = 100  # that have ended, by one operation, that none takes long


class Agenda:
    """Which session is claimable next. `wake` is called, once, when that will be sooner than `wait` has said."""

    def __init__(self, wake: Callable[[], None] | None) -> None:
        self._wake = wake
        self._announced = -_NEVER  # nobody waits
        self._heap: list[tuple[Ms, int, StoredSession]] = []  # an entry counts while its ticket is the session's
        self._tickets = count(1)
        self._rebuild_at = _SLACK

    def put(self, session: StoredSession) -> None:
        """Make the session claimable from `session.at` on."""
        session.ticket = next(self._tickets)
        heappush(self._heap, (session.at, session.ticket, session))
        if len(self._heap) > self._rebuild_at:
            self._heap = [entry for entry in self._heap if entry[2].ticket == entry[1]]
            heapify(self._heap)
            self._rebuild_at = _SLACK + 2 * len(self._heap)
        if self._wake and session.at < self._announced:
            self._announced = -_NEVER
            self._wake()

    def first(self) -> StoredSession | None:
        """The session that is, or will be, claimable longest."""
        while self._heap:
            _, ticket, session = self._heap[0]
            if session.ticket == ticket:
                return session
            heappop(self._heap)
        return None

    def wait(self, now: Ms) -> Ms | None:
        """How many ms until a session is claimable; None: none will be."""
        first = self.first()
        self._announced = first.at if first else _NEVER
        return max(0, first.at - now) if first else None


class Sessions:
    """All sessions: each in one place, there in the order of their last change, which is that of their expiry."""

    def __init__(self, agenda: Agenda, most: int, kept: Callable[[], EndedRooms]) -> None:
        self._agenda = agenda
        self._most, self._kept = most, kept
        self._ended_bytes = 0  # of the records of those that are over
        self._by_key: dict[Key, StoredSession] = {}  # the oldest first
        self._places: dict[Place, OrderedDict[Key, StoredSession]] = {place: OrderedDict() for place in Place}
        self._names: dict[tuple[str, str], tuple[str, ...]] = {}  # sids
        self.lists = Lists()
        self._standings: Counter[tuple[str, str, str]] = Counter()  # project, state, agent

    def known(self, key: Key, now: Ms) -> StoredSession | None:
        """The session, live or ended less than OVER_FINAL_MS ago."""
        session = self._by_key.get(key)
        return None if session and session.place is Place.OVER and now >= session.at + OVER_FINAL_MS else session

    def leased(self, lease: Lease) -> StoredSession | None:
        """The lease's session, if the lease is still its newest and was not given back."""
        session = self._by_key.get(lease.key)
        return session if session and session.place is Place.HELD and session.token == lease.token else None

    def open(self, key: Key, now: Ms) -> StoredSession:
        """Open a new session, due; nothing is left of one that ended. Raises LedgerUnavailable: no other makes room."""
        if len(self._by_key) >= self._most and not self._make_room():
            raise LedgerUnavailable(f"{self._most} sessions in memory, none at rest")
        if ended := self._by_key.get(key):
            self.forget(ended)
        session = StoredSession(key=key, place=Place.DUE, at=now, born=now)
        self._by_key[key] = self._places[Place.DUE][key] = session
        name = (key.project, key.room)
        self._names[name] = (*self._names.get(name, ()), key.sid)[-LIVES_MAX:]
        self.reindex(session, ())
        return session

    def move(self, session: StoredSession, place: Place, now: Ms, at: Ms = 0) -> None:
        """Move the session to that place; DUE from `at` on, HELD until `at`."""
        del self._places[session.place][session.key]
        self._places[place][session.key] = session
        session.place, session.at, session.ticket = place, at, 0
        session.expires = now + (KEEP_MAX_MS if place is Place.OVER else LIVE_TTL_MS)
        if place in (Place.DUE, Place.HELD):
            self._agenda.put(session)

    def end(self, session: StoredSession, now: Ms) -> None:
        """End the session: its record stays and can be found, as long as there is time and space for it."""
        session.inbox = ()
        self.reindex(session, None)
        self._relist(session, ended(now))
        self.move(session, Place.OVER, now, now)
        self._ended_bytes += session.size

    def release(self, session: StoredSession, now: Ms, alone_until: Ms) -> None:
        """Make the session claimable now, or at `alone_until`, whatever happens before."""
        session.alone_until = alone_until
        self.move(session, Place.DUE, now, max(now, alone_until))

    def hasten(self, session: StoredSession, now: Ms) -> None:
        """Make the session claimable now, or once nobody holds it or leaves it alone; never later than it was."""
        if session.place is Place.HELD:
            self.renew(session, now)
            return
        due_at = min(session.at, now) if session.place is Place.DUE else now
        self.move(session, Place.DUE, now, max(due_at, session.alone_until))

    def renew(self, session: StoredSession, now: Ms) -> None:
        """Keep the session, if it is live, for LIVE_TTL_MS from now."""
        if session.place is Place.OVER:
            return
        session.expires = now + LIVE_TTL_MS
        self._places[session.place].move_to_end(session.key)

    def touch(self, keys: Sequence[Key], now: Ms) -> set[Key]:
        """Keep those that are known, and find the others."""
        known = {key: session for key in keys if (session := self.known(key, now))}
        for session in known.values():
            self.renew(session, now)
        return set(keys) - known.keys()

    def reindex(self, session: StoredSession, index: Sequence[Standing] | None) -> None:
        """`standings` and `lists` have these lines for the session instead of those before; None: it is in no list."""
        project = session.key.project
        for gone in session.index:
            self._standings[project, *gone] -= 1
            if not self._standings[project, *gone]:
                del self._standings[project, *gone]
        session.index = tuple((intern(str(line.state)), line.agent) for line in index or ())
        self._standings.update((project, *line) for line in session.index)
        self._relist(session, () if index is None else listings(session.born, index))

    def standings(self) -> dict[tuple[str, Standing], int]:
        """How many lines of each there are."""
        return {(name, Standing(state, agent)): number for (name, state, agent), number in self._standings.items()}

    def _relist(self, session: StoredSession, listed: tuple[tuple[str, Ms], ...]) -> None:
        before, session.listed = session.listed, listed
        self.lists.move(session.key, before, listed)

    def lives(self, project: str, room: str) -> list[StoredSession]:
        """The LIVES_MAX newest that were opened under the name and are still here, the newest first."""
        sids = self._names.get((project, room), ())
        return [self._by_key[Key(project, room, sid)] for sid in reversed(sids)]

    def page(self, project: str, state: str | None, page: ListedPage) -> list[Life]:
        """So many sessions of a list, as `Ledger.list` has it."""
        lives = [(at, self._by_key[key].life()) for at, key in self.lists.page(project, state, page)]
        return [replace(life, waiting_since=at) if page.order is Order.WAIT else life for at, life in lives]

    def counts(self) -> Counts:
        """How many are in each place of the living."""
        due, held, rest = (len(self._places[place]) for place in (Place.DUE, Place.HELD, Place.REST))
        return Counts(due=due, held=held, rest=rest)

    def drop_expired(self, now: Ms) -> None:
        """Forget whatever has expired."""
        for sessions in self._places.values():
            while sessions and (first := next(iter(sessions.values()))).expires <= now:
                self.forget(first)
        self._forget_ended(now)

    def _forget_ended(self, now: Ms) -> None:
        """Forget those that ended first, as long as they are too old, too many or too large; FORGET_MAX at once."""
        kept, over = self._kept(), self._places[Place.OVER]
        for first in tuple(islice(over.values(), FORGET_MAX)):
            room = len(over) <= kept.max_rooms and self._ended_bytes <= kept.max_bytes
            if now < first.at + (kept.keep if room else OVER_FINAL_MS):
                return
            self.forget(first)

    def _make_room(self) -> bool:
        """Forget one: the oldest that has ended, else the session longest at rest. False: there is neither."""
        for place in (Place.OVER, Place.REST):
            if sessions := self._places[place]:
                self.forget(next(iter(sessions.values())))
                return True
        return False

    def forget(self, session: StoredSession) -> None:
        """Forget the session."""
        self.reindex(session, None)
        session.ticket = 0
        if session.place is Place.OVER:
            self._ended_bytes -= session.size
        del self._by_key[session.key]
        del self._places[session.place][session.key]
        name = (session.key.project, session.key.room)
        self._names[name] = tuple(sid for sid in self._names.get(name, ()) if sid != session.key.sid)
        if not self._names[name]:
            del self._names[name]
