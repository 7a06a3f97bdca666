"""A situation, from a case or a recorded webhook: who has come into which room, and what the rules make of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from dispatcher.config import Config, Project
from dispatcher.config.problems import did_you_mean
from dispatcher.core.audience import people
from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import (
    JOINED,
    KINDS,
    RELEVANT_EVENTS,
    ROOM_FINISHED,
    STANDARD,
    Participant,
    Room,
    RoomSid,
    is_probe,
)
from dispatcher.core.rules import Rule, aimed, matching
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.text import visible
from dispatcher.livekit.webhook import ApiKey, Undecodable, receive, sign, verify

BODY_MAX: Final = 4 * 1024 * 1024  # bytes, as of the server
_KEY: Final = "offline"


class Unusable(DispatcherError):
    """Whoever typed the command named a file that cannot be used. Its text says which, where and why."""


def project_of(config: Config, name: str | None) -> Project:
    """The project of that name, or the first. Raises Unusable where there is none of that name."""
    projects = {one.name: one for one in config.projects}
    if name is not None and name not in projects:
        raise Unusable(f"no project is named {name}{did_you_mean(name, projects)}")
    return config.projects[0] if name is None else projects[name]


class Situation(Struct, frozen=True, kw_only=True):
    """What has happened, as the rules see it."""

    event: str = JOINED
    room: Room
    person: Participant | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """What one rule wants there."""

    rule: str
    agent: str  # "" where no agent could be named
    deployment: str = ""
    metadata: str = ""


class _Recorded(Struct):
    body: str


def read_body(file: Path) -> bytes:
    """Read a webhook's body from a file: the body alone, or a recording that has it under `body`. Raises Unusable."""
    try:
        with file.open("rb") as opened:
            content = opened.read(BODY_MAX + 1)
    except OSError as error:
        raise Unusable(f"{file}: {error.strerror}") from None
    try:
        return msgspec.json.decode(content, type=_Recorded).body.encode()
    except (ValueError, RecursionError):
        return content


def read_event(file: Path) -> Situation:
    """Read the webhook of a file. Raises Unusable."""
    body = read_body(file)
    token = sign(body, key=_KEY, secret=_KEY, now=0)
    received = receive(body, verify(token, {_KEY: ApiKey(_KEY, _KEY)}, 0))
    if isinstance(received, Undecodable):
        raise Unusable(f"{file}: no webhook: {received.why}")
    event = received.event
    if event.room is None:
        raise Unusable(f"{file}: {visible(event.name)} is about no room")
    return Situation(event=event.name, room=event.room, person=event.participant)


class Described(Struct, frozen=True, kw_only=True):
    """A room and somebody who has joined it, as somebody describes them."""

    room: str
    metadata: str = ""  # the room's
    identity: str = "somebody"
    kind: str = STANDARD
    participant_metadata: str = ""
    attributes: Sequence[str] = ()  # key=value


def described(one: Described) -> Situation:
    """Make the situation: they are there, with media. Raises Unusable, naming what makes no sense."""
    if one.kind not in KINDS:
        raise Unusable(f"--kind {visible(one.kind)}: one of {', '.join(sorted(KINDS))}{did_you_mean(one.kind, KINDS)}")
    pairs = [text.partition("=") for text in one.attributes]
    if wrong := [text for text, (key, equals, _) in zip(one.attributes, pairs, strict=True) if not (key and equals)]:
        raise Unusable(f"--attribute {visible(wrong[0])}: write key=value")
    person = Participant(
        sid="PA_described",
        identity=one.identity,
        kind=one.kind,
        active=True,
        metadata=one.participant_metadata,
        attributes={key: value for key, _, value in pairs},
    )
    room = Room(sid=RoomSid("RM_described"), name=one.room, metadata=one.metadata)
    return Situation(room=room, person=person)


def obstacle(situation: Situation) -> str:
    """Why no rule is asked at all; "" where they are."""
    person = situation.person
    if is_probe(situation.room.name):
        return "the room is a probe's"
    if situation.event not in RELEVANT_EVENTS:
        return f"{situation.event} says nothing that a rule uses"
    if situation.event == ROOM_FINISHED:
        return "the room is over"
    if person is None or people(RoomSnapshot(room=situation.room, participants=(person,))):
        return ""
    if person.hidden:
        return "hidden participants never count"
    if person.recorder:
        return "recorders never want an agent"
    return "agents never want an agent" if person.active else "they are not in the room: their state is not ACTIVE"


def wanted(rules: Sequence[Rule], situation: Situation) -> Iterator[Wanted]:
    """What the rules want there, in their order."""
    if obstacle(situation):
        return
    room, person = situation.room, situation.person
    for rule in matching(rules, room, person):
        target = aimed(rule, room, person).targets[0]
        metadata = rule.metadata(room, person) if rule.metadata else ""
        yield Wanted(rule=rule.name, agent=target.name, deployment=target.deployment, metadata=metadata)
