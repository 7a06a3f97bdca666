"""Judges rules on what a tape holds. Where the answer depends on something hidden, it says so and never guesses.

The tape holds what a recorded rule said; another rule with the same condition says the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar, assert_never

from msgspec.structs import replace

from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import Participant, Room
from dispatcher.core.rules import Aim, Aimed, Condition, Rule, Target
from dispatcher.expressions import Agents, Expression, Split, When
from dispatcher.telemetry.masks import MARK
from dispatcher.telemetry.tape import Hides, Judged, RecordedTerms

Names: TypeAlias = frozenset[str]
About: TypeAlias = tuple[str, str]  # a fingerprint, and the SID of whom it was asked about

_T = TypeVar("_T")
_ROOM_NAME: Final = "room.name"
_OF_ROOM: Final = frozenset({"room.metadata", "metadata"})


class CannotTell(DispatcherError):
    """The tape does not show how rules would decide. Its text says why."""


class CarefulRules:
    """Rules that raise CannotTell where a tape that hides so much does not say how they would decide."""

    def __init__(self, rules: Sequence[Rule], hides: Hides) -> None:
        self.rules = tuple(map(self._careful, rules))
        self._hides = hides
        self._heard = False
        self._whens: dict[About, bool] = {}
        self._aims: dict[About, Aimed] = {}

    def remember(self, terms: RecordedTerms, judged: Iterable[Judged], *, heard: bool) -> None:
        """This is what was said of the look that is judged next, and nothing else; it `heard` of its room."""
        self._heard = heard
        whens = {rule.name: rule.when for rule in terms.rules}
        aims = {rule.name: rule.aim for rule in terms.rules}
        self._whens.clear()
        self._aims.clear()
        for one in judged:
            self._whens |= {(whens[rule], one.person): True for rule in one.yes}
            self._whens |= {(whens[rule], one.person): False for rule in one.no}
            self._aims |= {(aims[rule], one.person): aim for rule, aim in one.aims.items()}

    def _careful(self, rule: Rule) -> Rule:
        when = self._condition(rule.when) if isinstance(rule.when, When) else rule.when
        return replace(rule, when=when, aim=self._aim(rule.aim) if isinstance(rule.aim, Agents) else rule.aim)

    def _condition(self, when: When) -> Condition:
        fingerprint, reads = when.fingerprint, when.expression.names()
        parts = [(part, part.names()) for part in when.expression.parts()]

        def judged(room: Room, person: Participant | None) -> bool:
            said = _said(self._whens, fingerprint, person)
            if said is not None:
                return said
            hidden = _hidden(self._hides, room, person, heard=self._heard)
            missing = _missing(reads, hidden)
            if not missing:
                return when(room, person)
            if any(not _missing(names, hidden) and part.judge(room, person) is not True for part, names in parts):
                return False  # whatever the other parts are
            raise self._cannot_tell(when.rule, missing)

        return judged

    def _aim(self, agents: Agents) -> Aim:
        fingerprint = agents.fingerprint
        choices = [(replace(agents, choices=(choice,)), _reads(choice)) for choice in agents.choices]

        def aimed(room: Room, person: Participant | None) -> Aimed:
            """The first that can be named: nobody asks here for those after it."""
            said = _said(self._aims, fingerprint, person)
            if said is not None:
                return said
            hidden = _hidden(self._hides, room, person, heard=self._heard)
            for choice, reads in choices:
                if missing := _missing(reads, hidden):
                    raise self._cannot_tell(agents.rule, missing)
                if (found := choice(room, person)).targets:
                    return found
            return Aimed(())

        return aimed

    def _cannot_tell(self, rule: str, missing: Names) -> CannotTell:
        why = "was not read" if self._heard and missing <= _OF_ROOM else "recordings hide"
        return CannotTell(f"rule {rule} reads {', '.join(sorted(missing))}, which {why}")


def _said(said: Mapping[About, _T], fingerprint: str, person: Participant | None) -> _T | None:
    return said.get((fingerprint, person.sid if person else ""))


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
    return frozenset(one for one in hidden for name in reads if _within(one, name) or _within(name, one))


def _within(name: str, whole: str) -> bool:
    return name == whole or name.startswith(f"{whole}.")


def _hidden(hides: Hides, room: Room, person: Participant | None, *, heard: bool) -> Names:
    """What the tape hides of them; what is empty there was empty, but in a room that was `heard` of."""
    found = set(_OF_ROOM) if heard or (room.metadata and hides is not Hides.NOTHING) else set[str]()
    if hides is Hides.NOTHING:
        return frozenset(found)
    if hides is Hides.PEOPLE and MARK.search(room.name):
        found.add(_ROOM_NAME)
    if person is not None:
        found |= {"participant.metadata", "participant_metadata"} if person.metadata else set()
        found |= {"participant.attributes"} if person.attributes else set()
        found |= {"participant.name"} if person.name else set()
        found |= {"participant.identity"} if hides is Hides.PEOPLE else set()
    return frozenset(found)
