"""What rules have said of people, remembered while everything that an expression may read of them is the same.

Nothing of anybody's metadata is kept: facts are known again by a hash. It belongs to the rules in force, and goes with
them when the configuration is read again.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec

from dispatcher.core.facts import Participant, Room

REMEMBERED_MAX: Final = 50_000  # people of one project, some 300 bytes each; beyond, those not met for longest go
_HASH: Final = 16  # bytes: to find facts that are taken for others takes 2^64 tries

_ENCODER: Final = msgspec.json.Encoder(order="sorted")  # LiveKit sends attributes in any order


class Judgements:
    """The `Recollection` of one project."""

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        self._most = most
        self._known = OrderedDict[bytes, tuple[str, ...]]()
        self._room: tuple[Room, bytes] | None = None
        self._person: tuple[Room, Participant, bytes | None] | None = None

    def recall(self, room: Room, person: Participant) -> tuple[str, ...] | None:
        """The names of the rules that apply to the person; None: it is not known."""
        facts = self._facts(room, person)
        if facts is None or facts not in self._known:
            return None
        self._known.move_to_end(facts)
        return self._known[facts]

    def keep(self, room: Room, person: Participant, rules: tuple[str, ...]) -> None:
        """Remember them, in the place of whoever has not been met for longest."""
        if (facts := self._facts(room, person)) is not None:
            self._known[facts] = rules
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def _facts(self, room: Room, person: Participant) -> bytes | None:
        """What they are known again by; None: half a character is in them, which nothing on a wire can hold."""
        if self._person is None or self._person[0] is not room or self._person[1] is not person:
            self._person = room, person, self._hashed(room, person)
        return self._person[2]

    def _hashed(self, room: Room, person: Participant) -> bytes | None:
        try:
            if self._room is None or self._room[0] is not room:
                self._room = room, blake2b(_of_room(room), digest_size=_HASH).digest()
            return blake2b(self._room[1] + _of_person(person), digest_size=_HASH).digest()
        except UnicodeEncodeError:
            return None


def _of_room(room: Room) -> bytes:
    """All that an expression may read of the room (`expressions.messages`)."""
    return _ENCODER.encode((room.sid, room.name, room.metadata, room.created_at))


def _of_person(person: Participant) -> bytes:
    """All that an expression may read of the person; the kind is what a rule asks for besides."""
    return _ENCODER.encode(
        (
            person.sid,
            person.identity,
            person.name,
            person.kind,
            person.kind_details,
            person.region,
            person.metadata,
            person.joined_at,
            person.attributes,
        )
    )
