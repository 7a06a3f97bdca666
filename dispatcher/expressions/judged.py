"""A rule's expressions as the functions that the core asks, and what each does when its expression gives nothing.

`when`: no match, and the next rule is tried. An agent: on to the fallback. `metadata`: sent without what could not be
computed, as no agent at all would be worse.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Literal, TypeAlias, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.facts import Participant, Room
from dispatcher.core.rules import Aimed, Rule, Target, is_launch
from dispatcher.core.text import AGENT_MAX
from dispatcher.expressions.facts import ROOM_METADATA
from dispatcher.expressions.language import Entries, Expression
from dispatcher.expressions.objects import Unread
from dispatcher.expressions.outcome import Failure, FailureReason, Outcome, Plain

SENT_MAX: Final = 512 * 1024  # bytes of a dispatch's metadata: LiveKit's own limit (livekit.md §2.1)
_HASHED: Final = 64  # bits


class Failed(Struct, frozen=True):
    """An expression gave nothing. `field` is the rule's: when, agent, metadata, or an entry of it: metadata.caller."""

    rule: str
    field: str
    reason: FailureReason
    room: str
    sid: str
    identity: str = ""  # for whom it was judged


class UnreadMetadata(Struct, frozen=True):
    """A rule reads metadata that is no map, so that it saw {}."""

    whose: Literal["room", "participant"]
    why: Unread
    room: str
    sid: str


Report: TypeAlias = Callable[[Failed | UnreadMetadata], object]


class When(Struct, frozen=True):
    """A rule's `when`: true, or no match."""

    rule: str
    expression: Expression
    report: Report | None = None

    @property
    def fingerprint(self) -> str:
        """The same for the same condition, in every process."""
        return _fingerprint(self.expression.text)

    def __call__(self, room: Room, person: Participant | None) -> bool:
        found = self.expression.judge(room, person)
        _report_unread(self.report, self.expression, room, person)
        if isinstance(found, Failure) and found.reason is not FailureReason.MISSING_KEY:
            _report(self, "when", found, room, person)
        return found is True


class Metadata(Struct, frozen=True):
    """A rule's `metadata`: a map as JSON, a text as it is; empty where it gives nothing.

    Of a map that is written out, what can be computed is kept: an entry that gives nothing is left out.
    """

    rule: str
    expression: Expression
    report: Report | None = None

    def __call__(self, room: Room, person: Participant | None) -> str:
        found = self.expression.judge(room, person, shared=True)
        _report_unread(self.report, self.expression, room, person)
        if isinstance(found, Failure) and (entries := self.expression.entries()):
            found = self._kept(entries, room, person)
        sent = _sent(found)
        if isinstance(sent, Failure):
            _report(self, "metadata", sent, room, person)
            return ""
        return sent

    def _kept(self, entries: Entries, room: Room, person: Participant | None) -> Plain:
        """What can be computed; "" where nothing can."""
        kept: dict[str, Plain] = {}
        for name, entry in entries:
            found = entry.judge(room, person, shared=True)
            if isinstance(found, Failure):
                _report(self, f"metadata.{name}", found, room, person)
            elif isinstance(found, dict):
                _merge(kept, found)
        return kept or ""


def _merge(into: dict[str, Plain], more: Mapping[str, Plain]) -> None:
    """Maps inside each other hold what both hold."""
    for name, value in more.items():
        known = into.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        else:
            into[name] = value


def _sent(found: Outcome) -> str | Failure:
    if isinstance(found, Failure):
        return found
    if not isinstance(found, str | dict):
        return Failure(FailureReason.EMPTY if found is None else FailureReason.WRONG_TYPE)
    text = found if isinstance(found, str) else msgspec.json.encode(found, order="sorted").decode()
    return Failure(FailureReason.TOO_LARGE) if len(text.encode()) > SENT_MAX else text


class Split(Struct, frozen=True):
    """Targets by weight. The same key always falls on the same one, in every process, while the shares stay.

    Each has its span of the keys' hashes, in order: where one grows at its neighbour's cost, whoever had it keeps it.
    """

    shares: tuple[tuple[int, Target], ...]
    by: Expression | None = None  # None: the room's name

    def __call__(self, room: Room, person: Participant | None) -> Target | Failure:
        key = room.name if self.by is None else _key(self.by.judge(room, person, shared=True))
        return key if isinstance(key, Failure) else self.of(key)

    def of(self, key: str) -> Target:
        """The target of a key."""
        hashed = int.from_bytes(hashlib.sha256(key.encode(errors="replace")).digest()[: _HASHED // 8])
        place = hashed * sum(weight for weight, _ in self.shares) >> _HASHED
        for weight, target in self.shares:
            if place < weight:
                return target
            place -= weight
        raise AssertionError(f"{key!r} has no place")


class Agents(Struct, frozen=True):
    """A rule's `agent` and `fallback`, of which at least one is computed."""

    rule: str
    choices: tuple[Target | Expression | Split, ...]
    report: Report | None = None

    @property
    def fingerprint(self) -> str:
        """The same for the same choices, in every process."""
        return _fingerprint([_written(choice) for choice in self.choices])

    @property
    def weights(self) -> Mapping[Target, int]:
        """The sides of the split that is asked first; none where that is no split."""
        first = self.choices[0]
        return {target: weight for weight, target in first.shares} if isinstance(first, Split) else {}

    def without(self, targets: Collection[Target]) -> "Agents":
        """As it is while nobody is given these sides of that split: their rooms go to the others, by their weights."""
        first, *others = self.choices
        if not isinstance(first, Split):
            return self
        left = tuple((weight, target) for weight, target in first.shares if target not in targets)
        return replace(self, choices=(replace(first, shares=left), *others)) if left else self

    def __call__(self, room: Room, person: Participant | None) -> Aimed:
        found = [_named(choice, room, person) for choice in self.choices]
        failed = [one for one in found if isinstance(one, Failure)]
        for choice in self.choices:
            for expression in _expressions(choice):
                _report_unread(self.report, expression, room, person)
        for one in failed:
            _report(self, "agent", one, room, person)
        targets = dict.fromkeys(one for one in found if isinstance(one, Target))  # the same one twice is one
        return Aimed(tuple(targets), tuple(one.reason for one in failed))


def reporting(rules: Sequence[Rule], hear: Report) -> tuple[Rule, ...]:
    """The rules, whose failures are told."""
    return tuple(
        replace(
            rule,
            when=replace(rule.when, report=hear) if isinstance(rule.when, When) else rule.when,
            metadata=replace(rule.metadata, report=hear) if isinstance(rule.metadata, Metadata) else rule.metadata,
            aim=replace(rule.aim, report=hear) if isinstance(rule.aim, Agents) else rule.aim,
        )
        for rule in rules
    )


def _fingerprint(written: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(written), digest_size=8).hexdigest()


def _written(choice: Target | Expression | Split) -> object:
    match choice:
        case Target():
            return choice
        case Split(shares, by):
            return shares, by and by.text
        case Expression():
            return [choice.text]
        case _:
            assert_never(choice)


def _expressions(choice: Target | Expression | Split) -> tuple[Expression, ...]:
    match choice:
        case Expression():
            return (choice,)
        case Split(by=Expression() as key):
            return (key,)
        case _:
            return ()


def _report_unread(hear: Report | None, expression: Expression, room: Room, person: Participant | None) -> None:
    if hear is None:
        return
    for name, why in expression.unread(room, person).items():
        hear(UnreadMetadata("room" if name == ROOM_METADATA else "participant", why, room.name, room.sid))


def _report(
    whose: When | Metadata | Agents, field: str, failure: Failure, room: Room, person: Participant | None
) -> None:
    if whose.report is not None:
        who = person.identity if person else ""
        whose.report(Failed(whose.rule, field, failure.reason, room.name, room.sid, who))


def _named(choice: Target | Expression | Split, room: Room, person: Participant | None) -> Target | Failure:
    match choice:
        case Target():
            return choice
        case Split():
            return choice(room, person)
        case Expression():
            return _agent(_text(choice.judge(room, person, shared=True)))
        case _:
            assert_never(choice)


def _text(found: Outcome) -> str | Failure:
    if isinstance(found, Failure):
        return found
    if found is None or found == "":
        return Failure(FailureReason.EMPTY)
    return found if isinstance(found, str) else Failure(FailureReason.WRONG_TYPE)


def _key(found: Outcome) -> str | Failure:
    whole = isinstance(found, int) and not isinstance(found, bool)
    return str(found) if whole else _text(found)


def _agent(name: str | Failure) -> Target | Failure:
    if isinstance(name, Failure):
        return name
    if len(name.encode()) > AGENT_MAX:  # somebody's metadata gave it, and it stands in the record
        return Failure(FailureReason.TOO_LARGE)
    plain = name.isprintable() and name == name.strip() and not is_launch(name)
    return Target(name) if plain else Failure(FailureReason.WRONG_TYPE)
