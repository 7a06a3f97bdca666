"""A session as bytes, versioned, and the events that wait in its inbox. What cannot be read is rebuilt from a look."""

from collections.abc import Collection, Iterator
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.events import Event
from dispatcher.core.facts import DONE, Ms, Participant, RoomSid
from dispatcher.core.session import Assignment, Attempt, Session

VERSION: Final = 2  # 1: before the fields had the names of now
UNDECODABLE: Final = Event(id="", name="undecodable", created_at=0)  # it means no more than: look
RECORD_MAX: Final = 128 * 1024  # bytes; an ordinary room's has 1 to 6 kB, one with 32 assignments at work some 25 kB
TOLD_LEAST: Final = 16  # entries of the timeline that stay, half of them the first and half the last
IDENTITIES_LEAST: Final = 4  # the newest identities of an attempt that stay; those of listed jobs are seen again

_LIST: Final = len(b',"attempts":[]')  # of an assignment that has any


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
    """The session's record: no metadata, no attributes; some 1 kB, however large the audience (law 8).

    RECORD_MAX at most: beyond it, what is least needed is left out (`slim`).
    """
    record = _ENCODER.encode(_Record(v=VERSION, s=session))
    return record if len(record) <= RECORD_MAX else _ENCODER.encode(_Record(v=VERSION, s=slim(session)))


def slim(session: Session) -> Session:
    """The session without most of its timeline, and without the attempts that RECORD_MAX has no space for.

    The one of each assignment that is needed most stays. What goes is found again by its tag, while LiveKit lists it.
    """
    half = TOLD_LEAST // 2
    timeline = session.timeline[:half] + session.timeline[half:][-half:]
    session = replace(
        session,
        timeline=timeline,
        assignments=tuple(_with_few_identities(assignment) for assignment in session.assignments),
    )
    bare = replace(session, assignments=tuple(replace(assignment, attempts=()) for assignment in session.assignments))
    space = RECORD_MAX - len(_ENCODER.encode(_Record(v=VERSION, s=bare))) - _LIST * len(bare.assignments)
    kept: set[tuple[str, int]] = set()
    for spare, _, key, attempt in sorted(_ranked(session)):
        space -= len(_ENCODER.encode(attempt)) + 1
        if spare and space < 0:
            break
        kept.add((key, attempt.number))
    return replace(session, assignments=tuple(_with_only(assignment, kept) for assignment in session.assignments))


def _ranked(session: Session) -> Iterator[tuple[bool, tuple[bool, bool, bool, Ms, int], str, Attempt]]:
    """Every attempt with what decides whether it stays: is another of its assignment needed more, its rank, its key."""
    for assignment in session.assignments:
        for place, (rank, attempt) in enumerate(sorted((_rank(one), one) for one in assignment.attempts)):
            yield place > 0, rank, assignment.key, attempt


def _rank(one: Attempt) -> tuple[bool, bool, bool, Ms, int]:
    """Who serves, then what is under way, then what is to be taken back; of several the newest."""
    return not one.serving, not one.open, not one.shows, -one.started_at, -one.number


def _with_few_identities(assignment: Assignment) -> Assignment:
    few = (replace(one, identities=one.identities[-IDENTITIES_LEAST:]) for one in assignment.attempts)
    return replace(assignment, attempts=tuple(few))


def _with_only(assignment: Assignment, kept: Collection[tuple[str, int]]) -> Assignment:
    return replace(
        assignment, attempts=tuple(one for one in assignment.attempts if (assignment.key, one.number) in kept)
    )


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
    """Whether a later release wrote the record, and may still be running beside this one."""
    try:
        return _VERSION.decode(record).v > VERSION
    except (msgspec.DecodeError, ValueError):
        return False


def dump_event(event: Event) -> bytes:
    """What `fold` uses of an event: metadata, attributes and names stay out of the ledger (law 11).

    But for the word by which an agent says that it is done, which is meant for people.
    """
    room = event.room and replace(event.room, metadata="")
    person = event.participant and replace(
        event.participant, name="", metadata="", attributes=_word(event.participant), kind_details=(), region=""
    )
    return _ENCODER.encode(replace(event, room=room, participant=person))


def _word(one: Participant) -> dict[str, str]:
    return {DONE: one.done} if one.as_agent and one.done else {}


def load_event(entry: bytes) -> Event:
    """The event of an inbox entry; UNREADABLE where another version wrote it."""
    try:
        return _EVENT.decode(entry)
    except (msgspec.DecodeError, ValueError):
        return UNDECODABLE
