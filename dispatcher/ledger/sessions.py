"""Puts sessions and events into any ledger, and takes them out: above this file nobody sees the ledger's bytes."""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from dispatcher.core import timing
from dispatcher.core.effects import Save, Saved
from dispatcher.core.errors import DispatcherError
from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, Ms, Room, RoomSid, is_probe
from dispatcher.core.session import Assignment, Session, State, entries_since
from dispatcher.core.snapshot import Arrivals
from dispatcher.core.timeline import Entry
from dispatcher.ledger import changes, record
from dispatcher.ledger.changes import SessionChanged
from dispatcher.ledger.interface import Delivery, Handover, Key, Ledger, Life, SaveResult, Standing, Telling

REMINDED_MAX: Final = 1_000  # sessions of a project and state; the sweep finds the others

_WAITING: Final = (State.PAUSED, State.WAITING, State.STARVED)  # whom a pause stops, or its end sets going
_UNSERVED: Final = frozenset({*_WAITING, State.REQUESTED})  # somebody there has no agent


class KnownSession(Struct, frozen=True, kw_only=True, gc=False):
    """A session as the ledger has it, to read only."""

    key: Key
    session: Session
    born: Ms  # when it was first heard of
    due_at: Ms | None  # None: at rest, leased or over
    ended_at: Ms = 0  # 0: it lives

    @property
    def over(self) -> bool:
        return self.ended_at > 0


async def deliver(ledger: Ledger, key: Key, event: Event, *, take: bool = True) -> Delivery:
    """Record the event, as `Ledger.deliver`, with what `fold` uses of it and nothing else (law 11)."""
    return await ledger.deliver(key, event.id, record.dump_event(event), take=take)


async def remind(ledger: Ledger, key: Key, why: str, *, room: Room | None = None) -> Delivery:
    """Make the session due for a look, for anybody, and for `why`: the name of the event that says so."""
    here = room or Room(sid=RoomSid(key.sid), name=key.room)
    return await deliver(ledger, key, Event(id="", name=why, created_at=0, room=here), take=False)


async def remind_waiting(ledger: Ledger, project: str, why: str) -> None:
    """Make every session of the project due in which somebody waits for an agent that nobody has been asked for."""
    keys: set[Key] = set()
    for state in _WAITING:
        keys |= {life.key for life in await ledger.list(project, state, limit=REMINDED_MAX)}
    for key in keys:
        await remind(ledger, key, why)


async def find(ledger: Ledger, project: str, room: str) -> list[KnownSession]:
    """The sessions of a room name, as `Ledger.find`."""
    return [known(life) for life in await ledger.find(project, room)]


async def earlier(ledger: Ledger, key: Key) -> tuple[Session, ...]:
    """The ended sessions of the same room name, the newest first."""
    found = await find(ledger, key.project, key.room)
    return tuple(one.session for one in found if one.key != key and one.session.finished)


def waiting_since(session: Session) -> Ms:
    """Since when somebody in it has waited for an agent; 0: nobody waits."""
    return min((since for one in session.assignments if (since := _waited(one))), default=0)


def _waited(one: Assignment) -> Ms:
    return one.waiting_since if one.state in _UNSERVED else 0


def _standing(one: Assignment) -> Standing:
    return Standing(one.state, one.next_target.name, _waited(one))


def known(life: Life) -> KnownSession:
    """The session of a life."""
    session = record.load(life.record, life.key.room, RoomSid(life.key.sid))
    return KnownSession(key=life.key, session=session, born=life.born, due_at=life.due_at, ended_at=life.ended_at)


class LeaseLost(DispatcherError):
    """Another process holds the session now: nothing was changed, and nothing more is to be done."""


class LeasedSession:
    """A session that was handed out: as it was saved last, what came in since, who joined by that, and its lease."""

    def __init__(self, ledger: Ledger, handover: Handover) -> None:
        self.ledger = ledger
        self.key = handover.lease.key
        self.session = record.load(handover.record, self.key.room, RoomSid(self.key.sid))
        self.arrivals: Arrivals | None = None
        self._lease = handover.lease
        self.inbox = self._take(handover)

    @property
    def now(self) -> Ms:
        """The ledger's clock, carried on by our own since the session was handed over."""
        return int(time.monotonic() * 1000 + self._offset)

    def new_entries(self, session: Session) -> tuple[Entry, ...]:
        """What is new in its timeline since it was saved last."""
        return entries_since(session, self.session.entries_total)

    async def save(self, save: Save, notices: Sequence[bytes] = ()) -> tuple[Saved, tuple[Entry, ...]]:
        """Save the session, and post the notices, if we still hold the lease; also returns its new entries.

        Whoever watches is told of these. Raises LeaseLost: nothing was changed, and nobody is told.
        """
        session, entries = save.session, self.new_entries(save.session)
        uncounted = session.finished or is_probe(self.key.room)
        standings = () if uncounted else tuple(_standing(one) for one in session.assignments)
        saved = await self.ledger.save(
            self._lease,
            record.dump(session),
            self._upto,
            save.then,
            due_at=save.due_at,
            telling=Telling(index=standings, notices=notices, change=changes.dump(self._changed(entries))),
        )
        if saved.result is SaveResult.LOST:
            raise LeaseLost
        self.session = session
        inbox = self._take(saved.handover) if saved.handover is not None else ()
        more = inbox if saved.result is SaveResult.MORE else None
        return Saved(self.now, more), entries

    def _changed(self, entries: tuple[Entry, ...]) -> SessionChanged | None:
        key = self.key
        if not entries or is_probe(key.room):
            return None
        return SessionChanged(project=key.project, room=key.room, sid=key.sid, entries=entries)

    async def renew(self) -> None:
        """Renew the lease, so that it outlives the next call. Raises LeaseLost."""
        if self._lease.until - self.now >= timing.CALL_MS:
            return
        lease = await self.ledger.renew(self._lease)
        if lease is None:
            raise LeaseLost
        self._lease = lease

    async def release(self) -> None:
        """Give the session back: it is due now, for anybody."""
        await self.ledger.release(self._lease)

    def _take(self, handover: Handover) -> tuple[Event, ...]:
        self._lease = handover.lease
        self._upto = handover.upto
        self._offset = handover.now - time.monotonic() * 1000
        events = tuple(record.load_event(entry) for entry in handover.inbox)
        self.arrivals = _arrivals(self.arrivals, events)
        return events


def _arrivals(before: Arrivals | None, events: Iterable[Event]) -> Arrivals | None:
    """Those before, and those who have joined by these events; None: nobody has."""
    room, joined = (before.room, set(before.joined)) if before else (None, set[str]())
    for event in events:
        if event.name == JOINED and event.room is not None and event.participant is not None:
            room = event.room
            joined.add(event.participant.sid)
    return Arrivals(room, frozenset(joined)) if room is not None else None
