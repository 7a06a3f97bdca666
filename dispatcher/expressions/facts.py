"""What expressions may read of one room and one person, and how large it is: made once, shared by all that judge them.

Sizes are numbers in a fixed order. Costs are worked out for sizes rounded up, so that people who are alike share them.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from dispatcher.core.facts import KIND_DETAILS_MAX, Participant, Room
from dispatcher.core.text import ID_MAX
from dispatcher.expressions.messages import Messages
from dispatcher.expressions.objects import METADATA_MAX, NOTHING, Unread, parsed
from dispatcher.expressions.shapes import SCALAR, Shape, text

Sizes: TypeAlias = tuple[int, ...]

ROOM_METADATA: Final = "metadata"
PERSON_METADATA: Final = "participant_metadata"

_LEAST: Final = (64, 256, 64, 8, 32, 256, 64, 256, 8, 256, 64, 8, 32, 256)  # what sizes are rounded up to at least
_MADE: Final = 60.0  # microseconds,
_MADE_BYTE: Final = 0.002  # and for each byte,
_PARSED_BYTE: Final = 0.07  # and for each that is read as JSON
_DETAIL: Final = 2 * ID_MAX  # bytes of the name of a kind's detail, cut as it is
_DETAILS: Final = Shape(_DETAIL, KIND_DETAILS_MAX, KIND_DETAILS_MAX + 1, KIND_DETAILS_MAX * _DETAIL, listed=True)
SMALL: Final[Sizes] = _LEAST


class Facts(Struct, frozen=True, eq=False):
    """A room, or a room and a person in it: as CEL takes them, and their sizes."""

    variables: dict[str, object]
    sizes: Sizes
    rounded: Sizes
    made: float  # microseconds that making it takes at most
    unread: Mapping[str, Unread]  # metadata that is there, and is no map, by the variable's name


def of_room(messages: Messages, room: Room, read: frozenset[str]) -> Facts:
    """The room's. Only metadata that is in `read` is looked into, here and below."""
    metadata = parsed(room.metadata) if ROOM_METADATA in read else NOTHING
    sizes = (max(_bytes(room.name), _bytes(room.sid)), _bytes(room.metadata), *_sizes(metadata.shape))
    variables: dict[str, object] = {"room": messages.room(room), ROOM_METADATA: metadata.value}
    unread = {ROOM_METADATA: metadata.unread} if metadata.unread else {}
    return Facts(variables, sizes, _rounded(sizes, _LEAST), _made(sizes, room.metadata), unread)


def of_person(messages: Messages, room: Facts, person: Participant, read: frozenset[str]) -> Facts:
    """The room's, and the person's."""
    metadata = parsed(person.metadata) if PERSON_METADATA in read else NOTHING
    texts = [_bytes(one) for pair in person.attributes.items() for one in pair]
    called = max(map(_bytes, (person.identity, person.name, person.sid, person.kind, person.region)))
    sizes = (called, _bytes(person.metadata), len(person.attributes), sum(texts), *_sizes(metadata.shape))
    variables = {"participant": messages.participant(person), PERSON_METADATA: metadata.value, "kind": person.kind}
    unread = {PERSON_METADATA: metadata.unread} if metadata.unread else {}
    return Facts(
        room.variables | variables,
        room.sizes + sizes,
        room.rounded + _rounded(sizes, _LEAST[len(room.sizes) :]),
        _made(sizes, person.metadata),
        {**room.unread, **unread},
    )


def shapes(sizes: Sizes) -> dict[str, Shape]:
    """The shape of everything that has these sizes, by its path; of nobody, where they are a room's."""
    sizes += _LEAST[len(sizes) :]
    named, passed, *metadata = sizes[:6]
    called, told, count, attributes, *of_person = sizes[6:]
    held = Shape(attributes, count, 2 * count + 1, attributes, listed=False)
    return {
        "room": Shape(max(named, passed), 0, 5, 2 * named + passed, listed=False),
        **dict.fromkeys(("room.name", "room.sid"), text(named)),
        "room.metadata": text(passed),
        **dict.fromkeys(("room.creation_time", "room.creation_time_ms"), SCALAR),
        ROOM_METADATA: _map(*metadata),
        "participant": Shape(
            max(called, told, attributes, _DETAILS.long),
            max(count, _DETAILS.wide),
            8 + held.items + _DETAILS.items,
            4 * called + told + attributes + _DETAILS.size,
        ),
        **dict.fromkeys(("participant.identity", "participant.name", "participant.sid", "kind"), text(called)),
        "participant.region": text(called),
        "participant.kind_details": _DETAILS,
        "participant.metadata": text(told),
        "participant.attributes": held,
        **dict.fromkeys(("participant.joined_at", "participant.joined_at_ms"), SCALAR),
        PERSON_METADATA: _map(*of_person),
    }


def _map(long: int, wide: int, items: int, size: int) -> Shape:
    return Shape(long, wide, items, size, listed=False)


def _sizes(shape: Shape) -> Sizes:
    return shape.long, shape.wide, shape.items, shape.size


def _rounded(sizes: Sizes, least: Sizes) -> Sizes:
    """Up to a power of two."""
    return tuple(
        [few if size <= few else 1 << (size - 1).bit_length() for size, few in zip(sizes, least, strict=False)]
    )


def _made(sizes: Sizes, metadata: str) -> float:
    return _MADE + _MADE_BYTE * sum(sizes) + _PARSED_BYTE * min(len(metadata), METADATA_MAX)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)
