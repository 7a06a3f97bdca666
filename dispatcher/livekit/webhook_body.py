"""Reads a webhook's body, which is protojson, into an event, without trusting its shape.

Defaults are left out, null means the default, 64-bit integers are strings, enums names or numbers. Each name of two
words is there twice: a reader of protojson takes camel case and the proto's own. Only the fields below are decoded, so
that `turnPassword` goes no further than the bytes. What outsiders may have written is cut to the size that the core
allows (`core.text`).
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, TypeAlias

import msgspec
from livekit.protocol.models import DisconnectReason, ParticipantInfo, RoomEndReason
from msgspec import Meta, Struct, field

from dispatcher.core.events import Event
from dispatcher.core.facts import (
    AGENT_JOBS,
    KIND_DETAILS_MAX,
    RELEVANT_EVENTS,
    ROOM_FINISHED,
    ROOM_STARTED,
    TAG,
    Participant,
    Room,
    RoomSid,
)
from dispatcher.core.tags import Tag, claimed
from dispatcher.core.text import ID_MAX, NAME_MAX, brief

_Needed: TypeAlias = Annotated[str, Meta(min_length=1)]
_Time: TypeAlias = Annotated[int, Meta(ge=-(10**15), le=10**15)] | None  # 1000 times it stays within 64 bits
_Enum: TypeAlias = int | str | None


class _Room(Struct):
    name: _Needed
    sid: str | None = None
    metadata: str | None = None
    started: _Time = field(default=None, name="creationTime")
    started_ms: _Time = field(default=None, name="creationTimeMs")
    creation_time: _Time = None
    creation_time_ms: _Time = None

    def core(self) -> Room:
        created_at = self.started_ms or self.creation_time_ms or (self.started or self.creation_time or 0) * 1000
        return Room(
            sid=RoomSid(brief(self.sid or "", ID_MAX)),
            name=brief(self.name, NAME_MAX),
            metadata=self.metadata or "",
            created_at=created_at,
        )


class _Permission(Struct):
    hidden: bool | None = None
    agent: bool | None = None
    recorder: bool | None = None


class _Participant(Struct):
    sid: str | None = None
    identity: str | None = None
    name: str | None = None
    kind: _Enum = None
    details: list[_Enum] | None = field(default=None, name="kindDetails")
    kind_details: list[_Enum] | None = None
    region: str | None = None
    state: _Enum = None
    metadata: str | None = None
    attributes: dict[str, str] | None = None
    permission: _Permission | None = None
    publisher: bool | None = field(default=None, name="isPublisher")
    is_publisher: bool | None = None
    joined: _Time = field(default=None, name="joinedAt")
    joined_ms: _Time = field(default=None, name="joinedAtMs")
    joined_at: _Time = None
    joined_at_ms: _Time = None
    reason: _Enum = field(default=None, name="disconnectReason")
    disconnect_reason: _Enum = None

    def core(self) -> Participant:
        permission = self.permission or _Permission()
        details = self.details or self.kind_details or []
        return Participant(
            sid=brief(self.sid or "", ID_MAX),
            identity=brief(self.identity or "", NAME_MAX),
            kind=_named(_KINDS, self.kind),
            kind_details=tuple(_named(_KIND_DETAILS, one) for one in details[:KIND_DETAILS_MAX]),
            region=brief(self.region or "", NAME_MAX),
            name=self.name or "",
            active=_named(_STATES, self.state) == "ACTIVE",
            hidden=bool(permission.hidden),
            granted=bool(permission.agent),
            recorder=bool(permission.recorder),
            publisher=bool(self.publisher or self.is_publisher),
            joined_at=self.joined_ms or self.joined_at_ms or (self.joined or self.joined_at or 0) * 1000,
            metadata=self.metadata or "",
            attributes=self.attributes or {},
            disconnect_reason=_named(_REASONS, self.reason or self.disconnect_reason),
        )


class _Job(Struct):
    room: _Room | None = None
    attributes: dict[str, str] | None = None

    def claim(self) -> Tag:
        """For what its dispatch was made, as it says."""
        return claimed((self.attributes or {}).get(TAG, "")) or _NOTHING


class _Event(Struct):
    id: _Needed
    event: _Needed
    created: _Time = field(default=None, name="createdAt")
    created_at: _Time = None
    room: _Room | None = None
    participant: _Participant | None = None
    job: _Job | None = None
    why: _Enum = field(default=None, name="roomEndReason")
    room_end_reason: _Enum = None


_NOTHING: Final = Tag("", 0)
_ABOUT_SOMEBODY: Final = RELEVANT_EVENTS - {ROOM_STARTED, ROOM_FINISHED}
_event_decoder: Final = msgspec.json.Decoder(_Event, strict=False)  # lax as protojson: numbers may be strings


def read(body: bytes) -> Event:
    """The event. One of HEARD has its room's SID and, if about a participant, that one's SID and identity.

    Raises ValueError or RecursionError, which name places and types, never content.
    """
    wire = _event_decoder.decode(body.decode())
    job = wire.job if wire.event in AGENT_JOBS else None
    named = job.room if job else wire.room
    claim = job.claim() if job else _NOTHING
    room = named.core() if named else None
    participant = wire.participant.core() if wire.participant else None
    if wire.event in RELEVANT_EVENTS and not (room and room.sid):
        raise ValueError("no room SID")
    if wire.event in _ABOUT_SOMEBODY and not (participant and participant.sid and participant.identity):
        raise ValueError("no participant SID and identity")
    created_at = (wire.created or wire.created_at or 0) * 1000
    id_, name = brief(wire.id, ID_MAX), brief(wire.event, ID_MAX)
    return Event(
        id=id_,
        name=name,
        created_at=created_at,
        room=room,
        participant=participant,
        end_reason=_named(_ENDS, wire.why or wire.room_end_reason),
        assignment=brief(claim.key, NAME_MAX),
        number=claim.number,
    )


def _names(values: Iterable[tuple[str, int]], default: str) -> Mapping[_Enum, str]:
    """Every spelling of an enum's values, as name or number, to the name; `default` where it is the zero or absent."""
    names: dict[_Enum, str] = {spelt: name for name, number in values for spelt in (name, number, str(number))}
    return names | dict.fromkeys(("", None, 0, "0", names[0]), default)


_KINDS: Final = _names(ParticipantInfo.Kind.items(), "STANDARD")
_KIND_DETAILS: Final = _names(ParticipantInfo.KindDetail.items(), "CLOUD_AGENT")
_STATES: Final = _names(ParticipantInfo.State.items(), "JOINING")
_ENDS: Final = _names(RoomEndReason.items(), "")
_REASONS: Final = _names(DisconnectReason.items(), "")


def _named(names: Mapping[_Enum, str], value: _Enum) -> str:
    return names[value] if value in names else brief(str(value), ID_MAX)
