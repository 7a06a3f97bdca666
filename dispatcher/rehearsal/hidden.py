"""Rules judged on what a tape holds. Where the answer hangs on what it hides, that is said, and nothing guessed."""

from collections.abc import Sequence
from typing import Final, TypeAlias, assert_never

from msgspec.structs import replace

from dispatcher.core.events import Participant, Room
from dispatcher.core.rules import Aim, Aimed, Condition, Rule, Target
from dispatcher.expressions import Agents, Expression, Split, When
from dispatcher.masks import MARK
from dispatcher.tape import Hides

Names: TypeAlias = frozenset[str]

_ROOM_NAME: Final = "room.name"


class CannotTell(Exception):
    """How rules would decide does not follow from the tape. Its text says why."""


def careful(rules: Sequence[Rule], hides: Hides) -> tuple[Rule, ...]:
    """The rules, which raise CannotTell where a tape that hides so much does not say how they would decide."""
    return tuple(rule if hides is Hides.NOTHING else _careful(rule, hides) for rule in rules)


def _careful(rule: Rule, hides: Hides) -> Rule:
    when = _condition(rule.when, hides) if isinstance(rule.when, When) else rule.when
    return replace(rule, when=when, aim=_aim(rule.aim, hides) if isinstance(rule.aim, Agents) else rule.aim)


def _condition(when: When, hides: Hides) -> Condition:
    reads = when.expression.names()
    parts = [(part, part.names()) for part in when.expression.parts()]

    def judged(room: Room, person: Participant | None) -> bool:
        hidden = _hidden(hides, room, person)
        missing = _missing(reads, hidden)
        if not missing:
            return when(room, person)
        if any(not _missing(names, hidden) and part.judge(room, person) is not True for part, names in parts):
            return False  # whatever the other parts are
        raise _reads_hidden(when.rule, missing)

    return judged


def _aim(agents: Agents, hides: Hides) -> Aim:
    choices = [(replace(agents, choices=(choice,)), _reads(choice)) for choice in agents.choices]

    def aimed(room: Room, person: Participant | None) -> Aimed:
        """The first that can be named: of those after it nobody asks here."""
        hidden = _hidden(hides, room, person)
        for choice, reads in choices:
            if missing := _missing(reads, hidden):
                raise _reads_hidden(agents.rule, missing)
            if (found := choice(room, person)).targets:
                return found
        return Aimed(())

    return aimed


def _reads_hidden(rule: str, hidden: Names) -> CannotTell:
    return CannotTell(f"rule {rule} reads {', '.join(sorted(hidden))}, which recordings hide")


def _reads(choice: Target | Expression | Split) -> Names:
    match choice:
        case Target():
            return frozenset()
        case Split(by=key):
            return frozenset({_ROOM_NAME}) if key is None else key.names()
        case Expression():
            return choice.names()
        case _:
            assert_never(choice)


def _missing(reads: Names, hidden: Names) -> Names:
    """What of the hidden is read: `metadata.plan` reads `metadata`, and so does `room` of `room.metadata`."""
    return frozenset(
        one
        for one in hidden
        for name in reads
        if one == name or one.startswith(f"{name}.") or name.startswith(f"{one}.")
    )


def _hidden(hides: Hides, room: Room, person: Participant | None) -> Names:
    """What the tape does not say of them; what is empty there was empty."""
    found = {"room.metadata", "metadata"} if room.metadata else set()
    if hides is Hides.PEOPLE and MARK.search(room.name):
        found.add(_ROOM_NAME)
    if person is not None:
        found |= {"participant.metadata", "participant_metadata"} if person.metadata else set()
        found |= {"participant.attributes"} if person.attributes else set()
        found |= {"participant.name"} if person.name else set()
        found |= {"participant.identity"} if hides is Hides.PEOPLE else set()
    return frozenset(found)
