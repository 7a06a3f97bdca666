"""What the memory ledger keeps, and for how long: sessions by place, and what is due.

Nothing here reads a clock: `now` is handed in. What changed first expires first, so dropping what has expired never
searches.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from msgspec.structs import replace

from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import (
    INBOX_MAX,
    LIVE_TTL_MS,
    LIVES_MAX,
    OVER_FINAL_MS,
    OVER_TTL_MS,
    Counts,
    Handover,
    Key,
    Lease,
    LedgerUnavailable,
    Life,
    Standing,
)
from dispatcher.ledger.memory_lists import Lists, listings
from dispatcher.ledger.order import ListedPage, Order

_SLACK: Final = 64  # outdated agenda entries that do not yet make a rebuild worth it
_NEVER: Final = float("inf")


class Place(Enum):
    """Where a session is: in exactly one of these (law 7)."""

    DUE = auto()
    HELD = auto()
    REST = auto()
    OVER = auto()


@dataclass(slots=True, eq=False)
class StoredSession:
    """A session as it lies in memory."""

    key: Key
    place: Place
    at: Ms  # DUE: when; HELD: the lease's end; OVER: since when; else without meaning
    born: Ms
    expires: Ms = 0
    record: bytes | None = None
    index: tuple[Standing, ...] = ()
    listed: frozenset[tuple[str, Ms]] = frozenset()  # in which lists, and where
    inbox: deque[bytes] = field(default_factory=deque)
    head: int = 0  # absolute position of the inbox's first entry
    lapses: int = 0  # leases in a row that ran out
    alone_until: Ms = 0  # it is left alone: handed out to nobody
    token: str = ""  # the newest lease's; it counts only while HELD
    ticket: int = 0  # of its entry in the agenda; 0: it has none

    def append(self, entry: bytes) -> None:
        """Append the entry to the inbox; beyond INBOX_MAX drop the first one."""
        self.inbox.append(entry)
        if len(self.inbox) > INBOX_MAX:
            self.drain(self.head + 1)

    def drain(self, upto: int) -> None:
        """Drop the inbox's entries before the absolute position `upto`."""
        while self.inbox and self.head < upto:
            self.inbox.popleft()
            self.head += 1

    def keep(self, record: bytes, upto: int, *, ended: bool) -> None:
        """Its holder has saved it, and with `ended` its lease did not run out."""
        self.record = record
        self.drain(upto)
        if ended:
            self.lapses = 0

    def lapse(self) -> int:
        """How many leases in a row have run out, if it is handed out as one just has; else 0."""
        if self.place is not Place.HELD:
            return 0
        self.lapses += 1
        return self.lapses

    def is_taken(self, now: Ms) -> bool:
        """Whether somebody has a lease that has not run out, or it is left alone."""
        return (self.place is Place.HELD and self.at > now) or self.alone_until > now

    def lease(self) -> Lease:
        """The lease it is held under."""
        return Lease(key=self.key, token=self.token, until=self.at)

    def handover(self, now: Ms, inbox: tuple[bytes, ...], *, due: Ms | None = None, lapses: int = 0) -> Handover:
        """The session for the holder of its lease, with this beginning of its inbox."""
        return Handover(
            lease=self.lease(),
            record=self.record,
            inbox=inbox,
            upto=self.head + len(inbox),
            now=now,
            due=now if due is None else due,
            lapses=lapses,
        )

    def life(self) -> Life:
        """The session to read only."""
        due_at = self.at if self.place is Place.DUE else None
        return Life(key=self.key, record=self.record, born=self.born, due_at=due_at, finished=self.place is Place.OVER)


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

    def __init__(self, agenda: Agenda, most: int) -> None:
        self._agenda = agenda
        self._most = most
        self._by_key: dict[Key, StoredSession] = {}  # the oldest first
        self._places: dict[Place, OrderedDict[Key, StoredSession]] = {place: OrderedDict() for place in Place}
        self._names: dict[tuple[str, str], list[StoredSession]] = {}
        self.lists = Lists()
        self.standings: Counter[tuple[str, Standing]] = Counter()

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
        lives = self._names.setdefault((key.project, key.room), [])
        lives.append(session)
        del lives[:-LIVES_MAX]
        self.reindex(session, ())
        return session

    def move(self, session: StoredSession, place: Place, now: Ms, at: Ms = 0) -> None:
        """Move the session to that place; DUE from `at` on, HELD until `at`."""
        del self._places[session.place][session.key]
        self._places[place][session.key] = session
        session.place, session.at, session.ticket = place, at, 0
        session.expires = now + (OVER_TTL_MS if place is Place.OVER else LIVE_TTL_MS)
        if place in (Place.DUE, Place.HELD):
            self._agenda.put(session)

    def end(self, session: StoredSession, now: Ms) -> None:
        """End the session: its record stays and can be found."""
        session.inbox.clear()
        self.reindex(session, None)
        self.move(session, Place.OVER, now, now)

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
            self.standings[project, gone] -= 1
            if not self.standings[project, gone]:
                del self.standings[project, gone]
        session.index = tuple(Standing(line.state, line.agent) for line in index or ())
        self.standings.update((project, line) for line in session.index)
        before, session.listed = session.listed, frozenset() if index is None else listings(session.born, index)
        self.lists.move(session.key, before, session.listed)

    def lives(self, project: str, room: str) -> list[StoredSession]:
        """The LIVES_MAX newest that were opened under the name and are still here, the newest first."""
        return self._names.get((project, room), [])[::-1]

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
        del self._by_key[session.key]
        del self._places[session.place][session.key]
        name = (session.key.project, session.key.room)
        self._names[name] = [life for life in self._names.get(name, []) if life is not session]
        if not self._names[name]:
            del self._names[name]
