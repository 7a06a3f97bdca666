"""What happens becomes notices, which the ledger posts with the very save that they tell of.

So a crash loses none, and a lost lease tells none. Where nobody is told of anything it costs a look at an empty tuple.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from dispatcher.config import Receiver
from dispatcher.core.facts import Ms
from dispatcher.core.notices import TEXT_MAX, Happening, NoticeKind
from dispatcher.core.session import Assignment, Session, State
from dispatcher.core.targets import TargetFacts
from dispatcher.core.text import AGENT_MAX, brief
from dispatcher.core.timeline import Entry, Part, Said
from dispatcher.explain import Known, diagnosis
from dispatcher.ledger.interface import Key
from dispatcher.telemetry.masks import Mask

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Happening)


class Outbox:
    """Makes the notices that some receiver of the configuration in force wants."""

    def __init__(self, receivers: Callable[[], Sequence[Receiver]], mask: Mask) -> None:
        self._receivers = receivers
        self._mask = mask

    @property
    def used(self) -> bool:
        """Whether anybody is told of anything."""
        return bool(self._receivers())

    def of_session(
        self, key: Key, before: Session, after: Session, entries: Sequence[Entry], now: Ms
    ) -> tuple[bytes, ...]:
        """What this save of a session tells; `entries` are new in its timeline."""
        if not self._receivers():
            return ()
        shown = self._mask.session(after)
        found = [*_rooms(before, after, shown, now), *_agents(entries)]
        named = {"project": key.project, "room": self._mask.numbers(key.room), "session": key.sid}
        return self.posted(*(replace(one, assignment=self._mask.assignment(one.assignment), **named) for one in found))

    def of_circuit(self, project: str, agent: str, before: TargetFacts, after: TargetFacts) -> tuple[bytes, ...]:
        """What this change of a target's facts tells."""
        if bool(before.opened_at) == bool(after.opened_at) or not self._receivers():
            return ()
        kind = NoticeKind.CIRCUIT_OPENED if after.opened_at else NoticeKind.CIRCUIT_CLOSED
        return self.posted(Happening(kind=kind, at=after.opened_at or after.seen_at, project=project, agent=agent))

    def posted(self, *happenings: Happening) -> tuple[bytes, ...]:
        """Those that somebody is told of, as the ledger keeps them."""
        wanted = frozenset[NoticeKind]().union(*(receiver.kinds for receiver in self._receivers()))
        return tuple(_ENCODER.encode(_bounded(one)) for one in happenings if one.kind in wanted)


NOBODY: Final = Outbox(tuple, Mask())  # is told


def read(notice: bytes) -> Happening | None:
    """What a notice tells; None: a release that we do not know wrote it."""
    try:
        return _DECODER.decode(notice)
    except msgspec.DecodeError:
        return None


def _bounded(one: Happening) -> Happening:
    text = one.text if len(one.text) <= TEXT_MAX else f"{one.text[: TEXT_MAX - 1]}…"
    return replace(one, agent=brief(one.agent, AGENT_MAX), text=text)


def _rooms(before: Session, after: Session, shown: Session, now: Ms) -> Iterator[Happening]:
    """Assignments that starve now, and those that do no more: the state is what counts, however it came about."""
    was, is_now = _starving(before), _starving(after)
    if not was and not is_now:
        return
    told = {one.key: said for one, said in zip(after.assignments, shown.assignments, strict=True)}
    for key, one in is_now.items():
        if key not in was:
            yield _room(NoticeKind.ROOM_STARVED, one, shown, told[key], now)
    for key, one in was.items():
        if key not in is_now:
            after_all = after.find(key)
            served = after_all is not None and after_all.state is State.SERVED and not after.finished
            kind = NoticeKind.ROOM_RECOVERED if served else NoticeKind.ROOM_RELEASED
            yield _room(kind, after_all or one, shown, told.get(key), now, agent=str(one.next_target))


def _starving(session: Session) -> dict[str, Assignment]:
    if session.finished:
        return {}
    return {one.key: one for one in session.assignments if one.state is State.STARVED}


def _room(
    kind: NoticeKind, one: Assignment, shown: Session, as_shown: Assignment | None, now: Ms, *, agent: str = ""
) -> Happening:
    alone = replace(shown, assignments=(as_shown,) if as_shown else ())
    text = " ".join(diagnosis(alone, Known(now=now))[:1])
    return Happening(kind=kind, at=now, agent=agent or str(one.next_target), assignment=one.key, text=text)


def _agents(entries: Sequence[Entry]) -> Iterator[Happening]:
    for entry in entries:
        match entry.said:
            case Said.ATTEMPT_RETRACTED if entry.part is Part.AGENT and not entry.reason:
                yield _agent(NoticeKind.AGENT_REMOVED, entry)
            case Said.AGENT_SENT_AWAY if not entry.reason:
                yield _agent(NoticeKind.AGENT_REMOVED, entry)
            case Said.AGENT_UNREQUESTED:
                yield _agent(NoticeKind.AGENT_UNREQUESTED, entry)
            case _:
                pass


def _agent(kind: NoticeKind, entry: Entry) -> Happening:
    names = ", ".join(name or "one without a name" for name in entry.agent.split(", "))
    return Happening(kind=kind, at=entry.at, agent=names, assignment=entry.assignment)
