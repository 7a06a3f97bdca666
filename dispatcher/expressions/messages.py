"""A room and a participant as expressions see them: LiveKit's own messages, less what is secret or changes by itself.

The descriptors are LiveKit's, in a private pool, with the fields named here and no others: so `room.turn_password` and
`room.nmae` are mistakes that are found when a rule loads.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from livekit.protocol import models

from dispatcher.core.facts import Participant, Room
from dispatcher.expressions.cost import Shape

ROOM: Final = models.Room.DESCRIPTOR.full_name
PARTICIPANT: Final = models.ParticipantInfo.DESCRIPTOR.full_name
ROOM_FIELDS: Final = ("sid", "name", "metadata", "creation_time", "creation_time_ms")
PARTICIPANT_FIELDS: Final = (
    *("sid", "identity", "name", "metadata", "attributes", "kind_details", "region", "joined_at", "joined_at_ms"),
)

METADATA_MAX: Final = 64 * 1024  # bytes; of larger metadata expressions see {}, and the agent may still get all of it
ITEMS_MAX: Final = 1_000  # values in it, at any depth: to read so many takes 2 ms, and CEL as long to take them in
MARKS_MAX: Final = 4 * ITEMS_MAX  # commas, colons and brackets, in texts too: what has more takes too long to count
DEPTH_MAX: Final = 32  # CEL's own stack ends between 300 and 20,000

_CONTAINERS: Final = frozenset({dict, list})
_NUL: Final = "\\u0000"  # JSON has no other way to write it


class Messages:
    """The pool, and what makes messages in it."""

    def __init__(self) -> None:
        self.pool = DescriptorPool()
        file = FileDescriptorProto(name="rules.proto", package="livekit", syntax="proto3")
        file.message_type.append(_only(models.Room, ROOM_FIELDS))
        file.message_type.append(_only(models.ParticipantInfo, PARTICIPANT_FIELDS))
        self.pool.Add(file)
        self._room = GetMessageClass(self.pool.FindMessageTypeByName(ROOM))
        self._participant = GetMessageClass(self.pool.FindMessageTypeByName(PARTICIPANT))

    def room(self, room: Room) -> Message:
        return self._room(
            sid=room.sid,
            name=room.name,
            metadata=room.metadata,
            creation_time=room.created_at // 1000,
            creation_time_ms=room.created_at,
        )

    def participant(self, one: Participant) -> Message:
        return self._participant(
            sid=one.sid,
            identity=one.identity,
            name=one.name,
            metadata=one.metadata,
            attributes=one.attributes,
            kind_details=one.kind_details,
            region=one.region,
            joined_at=one.joined_at // 1000,
            joined_at_ms=one.joined_at,
        )


def parsed(metadata: str) -> tuple[Mapping[str, Any], Shape]:
    """The metadata's JSON object, and its shape; {} where it is none, or is not fit for CEL.

    That is: over 64 KiB, of more than 1,000 values, nested deeper than 32, or with a NUL in it, which would end a text
    for CEL: "admin" and what comes after it would equal "admin".
    """
    if not metadata.startswith("{") and not metadata.lstrip().startswith("{"):
        return {}, Shape()
    if len(metadata) > METADATA_MAX or len(metadata.encode(errors="replace")) > METADATA_MAX:
        return {}, Shape()
    if sum(map(metadata.count, ",:[")) > MARKS_MAX:
        return {}, Shape()
    try:
        found = _DECODER.decode(metadata)
    except (ValueError, RecursionError):  # UnicodeEncodeError, for half a character, is a ValueError
        return {}, Shape()
    shape = _measured(found, metadata)
    return ({}, Shape()) if shape is None else (found, shape)


def _finite(number: str) -> float:
    """A number with a point or an exponent; those of 64 KiB take 5 ms, and 80 ms where msgspec reads them itself."""
    if math.isinf(found := float(number)):
        raise ValueError
    return found


def _measured(found: Mapping[str, Any], metadata: str) -> Shape | None:
    """The shape of what JSON gave; None where it is not fit for CEL."""
    texts: list[str] = []
    wide, items = 0, 1
    waiting: list[Any] = [found]
    for _ in range(DEPTH_MAX):
        below = []
        for one in waiting:
            values = one.values() if type(one) is dict else one
            texts += one if type(one) is dict else ()
            wide, items = max(wide, len(values)), items + len(values)
            if items > ITEMS_MAX:
                return None
            for value in values:
                if type(value) is str:
                    texts.append(value)
                elif type(value) in _CONTAINERS:
                    below.append(value)
        if not below:
            break
        waiting = below
    else:
        return None
    if _NUL in metadata and any("\0" in text for text in texts):
        return None
    length = 1 if metadata.isascii() and "\\u" not in metadata else 4  # bytes of a character, at most
    lengths = [len(text) for text in texts]
    return Shape(length * max(lengths, default=0), wide, items, length * sum(lengths))


_DECODER: Final = msgspec.json.Decoder(float_hook=_finite)


def _only(message: type[Message], fields: tuple[str, ...]) -> DescriptorProto:
    """LiveKit's message with these fields alone, and the map entries that they need."""
    whole = DescriptorProto()
    message.DESCRIPTOR.CopyToProto(whole)
    kept = DescriptorProto(name=whole.name, field=[field for field in whole.field if field.name in fields])
    types = {field.type_name.rpartition(".")[2] for field in kept.field}
    kept.nested_type.extend(nested for nested in whole.nested_type if nested.name in types)
    for field in kept.field:
        field.ClearField("options")
        if field.type == field.TYPE_ENUM:  # by its name, as `kind` is
            field.type = field.TYPE_STRING
            field.ClearField("type_name")
    return kept
