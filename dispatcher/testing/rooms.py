"""What people and operators do in the fake's rooms, and who is in them."""

from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from livekit.protocol.agent_dispatch import AgentDispatch, RoomAgentDispatch
from livekit.protocol.models import ParticipantInfo, ParticipantPermission
from livekit.protocol.room import CreateRoomRequest

from dispatcher.core.facts import PERSON_KINDS
from dispatcher.testing.room import LiveRoom
from dispatcher.testing.world import World


class Details(TypedDict, total=False):
    """What may be said of a participant. `kind` is LiveKit's name of it; without one it is STANDARD."""

    kind: str
    kind_details: Sequence[str]  # LiveKit's names, too
    region: str
    name: str
    metadata: str
    attributes: Mapping[str, str]
    hidden: bool
    agent: bool  # its token has the grant that every job's has
    recorder: bool  # its token has this grant


class Rooms:
    """The live rooms. What a call says is true when it returns; a room or participant that is not there: KeyError."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def open(self, name: str, *, metadata: str = "", agents: Sequence[str | RoomAgentDispatch] = ()) -> LiveRoom:
        """The room is live: as it was, or opened now with these agents dispatched to it.

        By their names, or as a token's `room_config` says more of them.
        """
        dispatches = [RoomAgentDispatch(agent_name=one) if isinstance(one, str) else one for one in agents]
        return self._world.open(CreateRoomRequest(name=name, metadata=metadata, agents=dispatches))

    async def join(self, room: str, identity: str, **details: Unpack[Details]) -> ParticipantInfo:
        """They are ACTIVE in the room, which is opened if need be."""
        return self._world.open(CreateRoomRequest(name=room)).join(_participant(identity, details))

    async def leave(self, room: str, identity: str, reason: str = "CLIENT_INITIATED") -> None:
        """They are gone, for LiveKit's `reason`."""
        self._world.rooms[room].leave(self._here(room, identity).sid, reason)

    async def abort(self, room: str, identity: str, **details: Unpack[Details]) -> None:
        """Their connection was aborted: they were in the room, or their media never connected so nobody saw them."""
        self._world.open(CreateRoomRequest(name=room)).abort(_participant(identity, details))

    async def publish(self, room: str, identity: str) -> None:
        """They publish a track; workers that serve publishers are asked."""
        self._world.publish(self._world.rooms[room], self._here(room, identity))

    async def set_metadata(self, room: str, metadata: str) -> None:
        """The room's metadata are these. No webhook says so, as on LiveKit."""
        self._world.set_metadata(self._world.rooms[room], metadata)

    async def update(
        self, room: str, identity: str, *, metadata: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Their metadata are these, and they have these attributes too. No webhook says so, as on LiveKit."""
        here = self._here(room, identity)
        here.attributes.update(attributes or {})
        if metadata is not None:
            here.metadata = metadata

    async def set_participant_count(self, room: str, people: int) -> None:
        """LiveKit says that so many are in the room, whoever is: its counts are stale, and at times wrong."""
        self._world.rooms[room].set_participant_count(people)

    async def close(self, room: str, reason: str = "ROOM_DELETED") -> None:
        """Everybody has left for `reason`, and the room is finished."""
        self._world.rooms[room].close(reason)

    def agents_in(self, room: str) -> list[ParticipantInfo]:
        """The agents in the room, avatars not counted; none if it is not live."""
        return [one for one in self._participants(room) if _is_agent(one)]

    def people_in(self, room: str) -> list[ParticipantInfo]:
        """Those in the room whom an agent may be wanted for: people, callers and connectors that are not hidden."""
        return [one for one in self._participants(room) if _is_person(one)]

    def dispatches_in(self, room: str) -> list[AgentDispatch]:
        """The dispatches of the room that name an agent; none if it is not live."""
        live = self._world.rooms.get(room)
        return [one for one in live.dispatches.values() if one.agent_name] if live else []

    def names(self) -> list[str]:
        """The names of the live rooms, in the order they were opened."""
        return list(self._world.rooms)

    def _participants(self, room: str) -> list[ParticipantInfo]:
        live = self._world.rooms.get(room)
        return list(live.participants.values()) if live else []

    def _here(self, room: str, identity: str) -> ParticipantInfo:
        here = self._world.rooms[room].find(identity)
        if here is None:
            raise KeyError(identity)
        return here


def _participant(identity: str, details: Details) -> ParticipantInfo:
    return ParticipantInfo(
        identity=identity,
        kind=details.get("kind", "STANDARD"),
        kind_details=details.get("kind_details", ()),
        region=details.get("region", ""),
        name=details.get("name", ""),
        metadata=details.get("metadata", ""),
        attributes=details.get("attributes", {}),
        permission=ParticipantPermission(
            can_subscribe=True,
            can_publish=True,
            can_publish_data=True,
            hidden=details.get("hidden", False),
            agent=details.get("agent", False),
            recorder=details.get("recorder", False),
        ),
    )


def _is_agent(one: ParticipantInfo) -> bool:
    agent = one.kind == ParticipantInfo.Kind.AGENT or one.permission.agent
    return agent and "lk.publish_on_behalf" not in one.attributes


def _is_person(one: ParticipantInfo) -> bool:
    permission = one.permission
    dependent = permission.hidden or permission.agent or permission.recorder
    return ParticipantInfo.Kind.Name(one.kind) in PERSON_KINDS and not dependent
