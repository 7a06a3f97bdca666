"""The ledger in this process's memory: the default, nothing to install. A restart empties it and the sweep restores it.

One event loop and no await inside an operation: each is atomic without locks. None searches all sessions.
What has expired is dropped as each operation begins, so that none sees it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Unpack

from dispatcher.core import timing
from dispatcher.core.effects import Then
from dispatcher.core.facts import Ms
from dispatcher.ledger.changes import Announced
from dispatcher.ledger.ended import EndedRooms
from dispatcher.ledger.interface import (
    SILENT,
    Claimed,
    Counts,
    Delivered,
    Delivery,
    Handover,
    Key,
    Lease,
    Life,
    SaveAnswer,
    SaveResult,
    Slot,
    Standing,
    Telling,
)
from dispatcher.ledger.memory_changes import KeptChanges
from dispatcher.ledger.memory_event_ids import EventIds
from dispatcher.ledger.memory_memos import Memos
from dispatcher.ledger.memory_notices import WaitingNotices
from dispatcher.ledger.memory_rates import Slots
from dispatcher.ledger.memory_session import Place, StoredSession
from dispatcher.ledger.memory_store import Agenda, Sessions
from dispatcher.ledger.order import ListedPage, PageFields


class MemoryLedger:
    """The `Ledger` of one process.

    `clock` must not step backwards. Where `max_sessions` are here, a new one makes the oldest tombstone forgotten, else
    the session longest at rest (the sweep restores it); there is neither: LedgerUnavailable. `ended`: which are kept.
    `wake` is called when a session will be claimable sooner than the last claim said, once until the next claim.
    """

    def __init__(
        self,
        clock: Callable[[], Ms],
        *,
        max_sessions: int = 100_000,
        ended: Callable[[], EndedRooms] = EndedRooms,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self._clock = clock
        self._agenda = Agenda(wake)
        self._sessions = Sessions(self._agenda, max_sessions, ended)
        self._event_ids = EventIds()
        self._turns, self._paces = Slots(), Slots()
        self.notices = WaitingNotices(clock)
        self._changes = KeptChanges()
        self._memos = Memos(self.notices, self._changes)
        self._process = secrets.token_hex(8)
        self._leases = count()

    async def deliver(self, key: Key, event_id: str, event: bytes, *, take: bool = True) -> Delivery:
        now = self._begin()
        session = self._sessions.known(key, now)
        if session and session.place is Place.OVER:
            return Delivery(outcome=Delivered.OVER)
        if event_id in self._event_ids:
            again = self._take(session, now) if take and session and session.inbox else None
            return Delivery(outcome=Delivered.DUPLICATE, handover=again)
        session = session or self._sessions.open(key, now)
        session.append(event)
        self._event_ids.add(event_id)
        if take and (handover := self._take(session, now)):
            return Delivery(outcome=Delivered.ACCEPTED, handover=handover)
        self._sessions.hasten(session, now)
        return Delivery(outcome=Delivered.ACCEPTED)

    async def claim(self, limit: int) -> Claimed:
        now = self._begin()
        taken: list[Handover] = []
        while len(taken) < limit and (first := self._agenda.first()) and first.at <= now:
            taken.append(self._hand_out(first, now))
        return Claimed(taken, self._agenda.wait(now))

    async def save(
        self, lease: Lease, record: bytes, upto: int, then: Then, *, due_at: Ms = 0, telling: Telling = SILENT
    ) -> SaveAnswer:
        now = self._begin()
        session = self._sessions.leased(lease)
        if not session:
            return SaveAnswer(result=SaveResult.LOST)
        self.notices.post(telling.notices)
        self._changes.announce(telling.change if record != session.record else b"", now)
        session.keep(record, upto, ended=then is not Then.KEEP)
        self._sessions.reindex(session, telling.index)
        if then is Then.OVER:
            self._sessions.end(session, now)
        elif then is Then.KEEP:
            self._lease(session, now)
            return SaveAnswer(result=SaveResult.KEPT, handover=session.handover(now, ()))
        elif session.inbox:
            self._lease(session, now)
            return SaveAnswer(result=SaveResult.MORE, handover=session.handover(now, session.inbox))
        else:
            self._sessions.move(session, Place.DUE if then is Then.DUE else Place.REST, now, due_at)
        return SaveAnswer(result=SaveResult.OK)

    async def renew(self, lease: Lease) -> Lease | None:
        now = self._begin()
        session = self._sessions.leased(lease)
        if not session:
            return None
        self._lease(session, now)
        return session.lease()

    async def release(self, lease: Lease, *, alone_until: Ms = 0) -> None:
        now = self._begin()
        if session := self._sessions.leased(lease):
            self._sessions.release(session, now, alone_until)

    async def find(self, project: str, room: str) -> list[Life]:
        self._begin()
        return [session.life() for session in self._sessions.lives(project, room)]

    async def touch(self, keys: Sequence[Key]) -> set[Key]:
        return self._sessions.touch(keys, self._begin())

    async def counts(self) -> Counts:
        self._begin()
        return self._sessions.counts()

    async def standings(self) -> Mapping[tuple[str, Standing], int]:
        self._begin()
        return self._sessions.standings()

    async def turn(self, name: str, every: Ms) -> bool:
        return self._turns.take_turn(name, self._begin(), every)

    async def pace(self, name: str, *, interval: float, burst: int) -> Slot:
        now = self._begin()
        return Slot(self._paces.take(name, now, interval, burst), self._memos.get(name, now))

    async def adjust(self, name: str, by: float, *, most: float) -> float:
        return self._paces.adjust(name, by, most, self._begin())

    async def memos(self, names: Sequence[str]) -> Sequence[bytes | None]:
        return self._memos.each(names, self._begin())

    async def replace_memo(
        self, name: str, before: bytes | None, after: bytes, *, telling: Telling = SILENT
    ) -> bytes | None:
        return self._memos.replace(name, before, after, self._begin(), telling)

    async def changes(self, since: Ms) -> Announced:
        return self._changes.read(since, self._begin())

    async def now(self) -> Ms:
        return self._clock()

    async def aclose(self) -> None:
        """Nothing is open."""

    async def list(self, project: str, state: str | None = None, **page: Unpack[PageFields]) -> list[Life]:
        self._begin()
        return self._sessions.page(project, state, ListedPage(**page))

    def _begin(self) -> Ms:
        now = self._clock()
        self._sessions.drop_expired(now)
        self._event_ids.expire(now)
        return now

    def _take(self, session: StoredSession, now: Ms) -> Handover | None:
        return None if session.is_taken(now) else self._hand_out(session, now)

    def _hand_out(self, session: StoredSession, now: Ms) -> Handover:
        due = session.at if session.place is not Place.REST else now
        lapses = session.lapse()
        session.token = f"{self._process}-{next(self._leases)}"
        self._lease(session, now)
        return session.handover(now, session.inbox, due=min(due, now), lapses=lapses)

    def _lease(self, session: StoredSession, now: Ms) -> None:
        self._sessions.move(session, Place.HELD, now, now + timing.LEASE_MS)
