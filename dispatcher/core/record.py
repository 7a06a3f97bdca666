"""A session as bytes, versioned, and the events that wait in its inbox. What cannot be read is rebuilt from a look."""

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.events import Event, RoomSid
from dispatcher.core.session import Session

VERSION: Final = 1
UNREADABLE: Final = Event(id="", name="unreadable", created_at=0)  # it means no more than: look


class _Version(Struct, frozen=True):
    v: int


class _Record(Struct, frozen=True):
    v: int
    s: Session


_VERSION: Final = msgspec.json.Decoder(_Version)
_RECORD: Final = msgspec.json.Decoder(_Record)
_EVENT: Final = msgspec.json.Decoder(Event)
_ENCODER: Final = msgspec.json.Encoder()


def dump(session: Session) -> bytes:
    """The session's record: no metadata, no attributes; some 1 kB, however large the audience (law 8)."""
    return _ENCODER.encode(_Record(v=VERSION, s=session))


def load(record: bytes | None, room: str, sid: RoomSid) -> Session:
    """The session of a record; a new one, to be looked at, where there is none or it cannot be read."""
    if record is None:
        return Session(room=room, sid=sid)
    try:
        read = _RECORD.decode(record)
    except (msgspec.DecodeError, ValueError):
        return Session(room=room, sid=sid, stale=True)
    return read.s if read.v == VERSION else Session(room=room, sid=sid, stale=True)


def is_newer(record: bytes) -> bool:
    """A later release wrote it, and may still be running beside this one."""
    try:
        return _VERSION.decode(record).v > VERSION
    except (msgspec.DecodeError, ValueError):
        return False


def dump_event(event: Event) -> bytes:
    """What `fold` uses of an event: metadata, attributes and names stay out of the ledger (law 11)."""
    room = event.room and replace(event.room, metadata="")
    person = event.participant and replace(event.participant, name="", metadata="", attributes={})
    return _ENCODER.encode(replace(event, room=room, participant=person))


def load_event(entry: bytes) -> Event:
    """The event of an inbox entry; UNREADABLE where another version wrote it."""
    try:
        return _EVENT.decode(entry)
    except (msgspec.DecodeError, ValueError):
        return UNREADABLE
