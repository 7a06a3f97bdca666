"""The people of one look, and which rules apply to whom: everybody is judged once a look.

Judging thousands takes long. So it is a generator that stops wherever others may have their turn, and of somebody whose
facts are what they were it takes what is remembered.
"""

from collections import defaultdict
from collections.abc import Generator, Mapping
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, Participant, Room
from dispatcher.core.rules import Rule, judging
from dispatcher.core.session import Assignment
from dispatcher.core.snapshot import RoomSnapshot

AT_ONCE: Final = 64  # people of whom it is remembered: some 0.2 ms
ASKED_FOR_MAX: Final = 8  # rules by name that an event carries; of more it says nothing

T = TypeVar("T")


class Recollection(Protocol):
    """What rules said of people. It is never wrong: of facts that are not the same it knows nothing."""

    def recall(self, room: Room, person: Participant) -> tuple[str, ...] | None:
        """The names of the rules that apply to the person; None: it is not known."""
        ...

    def keep(self, room: Room, person: Participant, rules: tuple[str, ...]) -> None:
        """Remember them, or not."""
        ...


class Oblivion:
    """Remembers nothing."""

    def recall(self, _room: Room, _person: Participant) -> None:
        """Nothing is known."""

    def keep(self, room: Room, person: Participant, rules: tuple[str, ...]) -> None:
        """Nothing is remembered."""


OBLIVION: Final = Oblivion()


class Audience(Struct, frozen=True, eq=False, kw_only=True):
    """A room, those there for whom an agent may be wanted, by joining, and what the rules say of it and of them."""

    room: Room
    people: tuple[Participant, ...] = ()
    wanted: Mapping[str, tuple[Participant, ...]] = {}  # by the names of rules that apply to somebody
    for_room: frozenset[str] = frozenset()  # the names of those that apply to the room itself
    by_identity: Mapping[str, tuple[Participant, ...]] = {}  # as a session remembers identities

    def waiting_for(self, assignment: Assignment) -> list[Participant]:
        """Those present whom the assignment is for."""
        there = self.by_identity.get(assignment.identity, ()) if assignment.identity else self.people
        return [one for one in there if one.kind in assignment.policy.kinds]


def people(snapshot: RoomSnapshot) -> list[Participant]:
    """Those for whom an agent may be wanted, by joining: ACTIVE, and a person; kinds are the rules'."""
    there = [one for one in snapshot.participants if one.active and one.is_person]
    return sorted(there, key=lambda one: one.joined_at)


def judge(
    snapshot: RoomSnapshot, rules: tuple[Rule, ...], recollection: Recollection
) -> Generator[None, None, Audience | None]:
    """The audience of a look; None where it showed no room. It stops after each condition that was judged."""
    room = snapshot.room
    if room is None:
        return None
    there = tuple(people(snapshot))
    wanted, by_identity = defaultdict[str, list[Participant]](list), defaultdict[str, list[Participant]](list)
    for number, person in enumerate(there, 1):
        names = recollection.recall(room, person)
        if names is None:
            names = yield from _named(rules, room, person)
            recollection.keep(room, person, names)
        for name in names:
            wanted[name].append(person)
        by_identity[person.known_as].append(person)
        if number % AT_ONCE == 0:
            yield
    for_room = yield from _named(rules, room, None)
    return Audience(
        room=room,
        people=there,
        wanted={name: tuple(some) for name, some in wanted.items()},
        for_room=frozenset(for_room),
        by_identity={identity: tuple(some) for identity, some in by_identity.items()},
    )


def asked_for(event: Event, rules: tuple[Rule, ...]) -> Generator[None, None, tuple[str, ...] | None]:
    """The names of the rules that apply to who has joined, as the event shows them; None: it says nothing of that.

    What is true a moment later a look shows: it is only a reason not to look.
    """
    person = event.participant
    if event.name != JOINED or event.room is None or person is None or not person.is_person:
        return None
    names = yield from _named(rules, event.room, person)
    return names if len(names) <= ASKED_FOR_MAX else None


def at_once(judged: Generator[None, None, T]) -> T:
    """What the generator comes to, without a stop."""
    while True:
        try:
            next(judged)
        except StopIteration as end:
            found: T = end.value
            return found


def _named(rules: tuple[Rule, ...], room: Room, person: Participant | None) -> Generator[None, None, tuple[str, ...]]:
    chosen = yield from judging(rules, room, person)
    return tuple(rule.name for rule in chosen)
