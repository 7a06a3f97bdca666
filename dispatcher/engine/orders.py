"""Puts orders into their sessions' inboxes: an agent that somebody asks for over the API, a cancellation, another try.

Whoever asks twice with the same key has asked once, at whichever replica and for a day: what was asked for is pinned in
a memo of the ledger's before the session hears of it, with the life of the room that it is for. Every step can be
repeated without effect, so nobody has to wait for a request that is under way, or for one that a crash has left.
"""

import hashlib
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.errors import DispatcherError
from dispatcher.core.events import Event
from dispatcher.core.facts import Room, RoomSid
from dispatcher.core.orders import Order, RequestAgent, room_for
from dispatcher.core.session import request_key
from dispatcher.engine.intake import Intake, IntakeResult
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Key, Ledger
from dispatcher.ledger.sessions import KnownSession
from dispatcher.runtime.snapshot import ConfigHolder, ProjectRuntime

METADATA_MAX: Final = 16_384  # bytes of an order's metadata
ORDERED: Final = "ordered"  # the name of orders' events
_DIGITS: Final = 20  # hexadecimal: no two requests of a session have the same id


class OrderRefused(DispatcherError):
    """The order cannot be carried out, and nothing has happened. Its text says why."""


class RoomAbsent(OrderRefused):
    """No room of this name lives."""


class RoomOver(OrderRefused):
    """The life of the room that it was for has ended."""


class RoomFull(OrderRefused):
    """The session has no place for one more assignment, or for so much metadata."""


class OtherRequest(OrderRefused):
    """The same key came with another request before."""


class AgentRequest(Struct, frozen=True, kw_only=True):
    """The agent that somebody asks for, checked; `request` is what they wrote, to be compared with what comes again."""

    room: str
    order: RequestAgent  # without an id, and without the metadata, which is sealed for the session
    computed: bool = False  # the rule's expressions, or a choice by weight, say who comes
    metadata: str | None = None
    create_room: bool = False
    request: bytes = b""


class Placed(Struct, frozen=True, kw_only=True):
    """An agent was asked for: the session, and its assignment there."""

    key: Key
    assignment: str
    repeated: bool = False  # it had been asked for before, with the same key


class _Pinned(Struct, frozen=True, kw_only=True):
    """What a key stands for."""

    request: str  # its hash
    id: str
    sid: str
    delivered: bool = False


_DECODER: Final = msgspec.json.Decoder(_Pinned)


class Orders:
    """Takes orders for the sessions of every project that is configured."""

    def __init__(self, ledger: Ledger, intake: Intake, holder: ConfigHolder) -> None:
        self.ledger = ledger
        self.intake = intake
        self.holder = holder

    async def request(self, project: str, wanted: AgentRequest, *, by: str, key: str | None) -> Placed:
        """The agent is asked for, as an assignment of the room's session; with a `key` once a day, however often.

        Raises OrderRefused; LiveKitError and LedgerUnavailable: it may be repeated.
        """
        if key is None:
            pinned = await self._to_pin(project, wanted, uuid4().hex[:_DIGITS])
            return await self._deliver(project, wanted, pinned, by)
        name = f"request/{project}/{_hash(by.encode(), key.encode())}"
        before = (await self.ledger.memos([name]))[0]
        if before is None:
            id_ = _hash(project.encode(), by.encode(), key.encode())[:_DIGITS]
            pinned = await self._to_pin(project, wanted, id_)
            before = await self.ledger.replace_memo(name, None, msgspec.json.encode(pinned))
        pinned = _DECODER.decode(before or b"")
        if pinned.request != _hash(wanted.request):
            raise OtherRequest("the same Idempotency-Key came with another request before")
        if pinned.delivered:
            return _placed(project, wanted.room, pinned, repeated=True)
        placed = await self._deliver(project, wanted, pinned, by)
        await self.ledger.replace_memo(name, before, msgspec.json.encode(replace(pinned, delivered=True)))
        return placed

    async def give(self, key: Key, order: Order, by: str, *, id_: str = "") -> None:
        """The session hears the order; with an `id_` once, however often. Raises RoomOver, LedgerUnavailable."""
        room = Room(sid=RoomSid(key.sid), name=key.room)
        event = Event(id=id_, name=ORDERED, created_at=0, room=room, order=order, by=by)
        if await self.intake.record(key, event) is IntakeResult.ROOM_FINISHED:
            raise RoomOver("the life of the room that this was for has ended")

    async def _to_pin(self, project: str, wanted: AgentRequest, id_: str) -> _Pinned:
        session = await self._live(project, wanted.room)
        if session is not None:
            return _Pinned(request=_hash(wanted.request), id=id_, sid=session.key.sid)
        livekit = self.holder.snapshot.projects[project].livekit
        room = await livekit.room(wanted.room)
        if room is None and wanted.create_room:
            room = await livekit.open(wanted.room)
        if room is None:
            raise RoomAbsent(f"no room of this name lives in project {project}")
        return _Pinned(request=_hash(wanted.request), id=id_, sid=room.sid)

    async def _live(self, project: str, room: str) -> KnownSession | None:
        known = await sessions.find(self.ledger, project, room)
        return next((one for one in known if not one.over and not one.session.finished), None)

    async def _deliver(self, project: str, wanted: AgentRequest, pinned: _Pinned, by: str) -> Placed:
        placed = _placed(project, wanted.room, pinned)
        sealed = self._sealed(self.holder.snapshot.projects[project], wanted, placed)
        known = await self._live(project, wanted.room)
        if known is not None and not known.session.find(placed.assignment) and not room_for(known.session, sealed):
            raise RoomFull("the room has as many assignments, or as much metadata, as one session may have")
        order = replace(wanted.order, id=pinned.id, sealed=sealed)
        await self.give(placed.key, order, by, id_=placed.assignment)
        return placed

    def _sealed(self, runtime: ProjectRuntime, wanted: AgentRequest, placed: Placed) -> str:
        if wanted.metadata is None:
            return ""
        return runtime.seals.seal(wanted.metadata, placed.key.sid, placed.assignment)


def _placed(project: str, room: str, pinned: _Pinned, *, repeated: bool = False) -> Placed:
    return Placed(key=Key(project, room, pinned.sid), assignment=request_key(pinned.id), repeated=repeated)


def _hash(*parts: bytes) -> str:
    """Of all parts, in a form in which no two lists of them are the same."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()
