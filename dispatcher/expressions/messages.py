"""A room and a participant as expressions see them: LiveKit's own messages, less what is secret or changes by itself.

The descriptors are LiveKit's, in a private pool, with the fields named here and no others: so `room.turn_password` and
`room.nmae` are mistakes that are found when a rule loads.
"""

from typing import Final

from cel_expr_python import cel
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from livekit.protocol import models

from dispatcher.core.facts import Participant, Room

ROOM: Final = models.Room.DESCRIPTOR.full_name
PARTICIPANT: Final = models.ParticipantInfo.DESCRIPTOR.full_name
ROOM_FIELDS: Final = ("sid", "name", "metadata", "creation_time", "creation_time_ms")
PARTICIPANT_FIELDS: Final = (
    *("sid", "identity", "name", "metadata", "attributes", "kind_details", "region", "joined_at", "joined_at_ms"),
)
OF_ROOM: Final = {"room": cel.Type(ROOM), "metadata": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)}
OF_PARTICIPANT: Final = {
    "participant": cel.Type(PARTICIPANT),
    "participant_metadata": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "kind": cel.Type.STRING,
}


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
