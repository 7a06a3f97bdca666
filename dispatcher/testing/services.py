"""The methods of LiveKit's RoomService and AgentDispatchService that a dispatcher meets (docs/livekit.md §2, §4)."""

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

from google.protobuf.message import Message
from livekit.protocol.agent_dispatch import (
    AgentDispatch,
    CreateAgentDispatchRequest,
    DeleteAgentDispatchRequest,
    ListAgentDispatchRequest,
    ListAgentDispatchResponse,
    RoomAgentDispatch,
)
from livekit.protocol.models import ParticipantInfo, Room
from livekit.protocol.room import (
    CreateRoomRequest,
    DeleteRoomRequest,
    DeleteRoomResponse,
    ListParticipantsRequest,
    ListParticipantsResponse,
    ListRoomsRequest,
    ListRoomsResponse,
    RemoveParticipantResponse,
    RoomParticipantIdentity,
    UpdateRoomMetadataRequest,
)

from dispatcher.testing.release import ServerRelease
from dispatcher.testing.room import LiveRoom
from dispatcher.testing.timers import Timers
from dispatcher.testing.twirp import Method, TwirpError
from dispatcher.testing.world import World

METADATA_MAX: Final = 512 * 1024
ATTRIBUTES_MAX: Final = 64 * 1024
DEPLOYMENT_MAX: Final = 64

_BAD_DEPLOYMENT: Final = re.compile(r"[_\s]")
_NO_ROOM: Final = "requested room does not exist"
_NOBODY: Final = "participant does not exist"


class _InRoom(Protocol):
    room: str


def _admin(asked: _InRoom) -> Mapping[str, object]:
    return {"roomAdmin": True, "room": asked.room}


def _list(_: Message) -> Mapping[str, object]:
    return {"roomList": True}


def _create(_: Message) -> Mapping[str, object]:
    return {"roomCreate": True}


class RoomService:
    """Rooms and participants. Reads come from LiveKit's store: fast, and empty for a room that is not live."""

    def __init__(self, world: World) -> None:
        self._world = world

    def methods(self) -> dict[str, Method[Any]]:
        """By their route."""
        return {
            "RoomService/CreateRoom": Method(CreateRoomRequest, _create, self._create_room),
            "RoomService/ListRooms": Method(ListRoomsRequest, _list, self._list_rooms),
            "RoomService/DeleteRoom": Method(DeleteRoomRequest, _create, self._delete_room),
            "RoomService/UpdateRoomMetadata": Method(UpdateRoomMetadataRequest, _admin, self._update_room_metadata),
            "RoomService/ListParticipants": Method(ListParticipantsRequest, _admin, self._list_participants),
            "RoomService/GetParticipant": Method(RoomParticipantIdentity, _admin, self._get_participant),
            "RoomService/RemoveParticipant": Method(RoomParticipantIdentity, _admin, self._remove_participant),
        }

    async def _create_room(self, asked: CreateRoomRequest) -> Room:
        return self._world.open(asked).info

    async def _list_rooms(self, asked: ListRoomsRequest) -> ListRoomsResponse:
        rooms = [room.info for room in self._world.rooms.values() if not asked.names or room.info.name in asked.names]
        return ListRoomsResponse(rooms=rooms)

    async def _delete_room(self, asked: DeleteRoomRequest) -> DeleteRoomResponse:
        self._live(asked.room).close("ROOM_DELETED")
        return DeleteRoomResponse()

    async def _update_room_metadata(self, asked: UpdateRoomMetadataRequest) -> Room:
        room = self._live(asked.room)
        self._world.set_metadata(room, asked.metadata)
        return room.info

    async def _list_participants(self, asked: ListParticipantsRequest) -> ListParticipantsResponse:
        room = self._world.rooms.get(asked.room)
        return ListParticipantsResponse(participants=room.participants.values() if room else [])

    async def _get_participant(self, asked: RoomParticipantIdentity) -> ParticipantInfo:
        room = self._world.rooms.get(asked.room)
        here = room.find(asked.identity) if room else None
        if here is None:
            raise TwirpError("not_found", _NOBODY)
        return here

    async def _remove_participant(self, asked: RoomParticipantIdentity) -> RemoveParticipantResponse:
        room = self._world.rooms.get(asked.room)
        if room is None or not self._world.remove(room, asked.identity):
            raise TwirpError("not_found", _NOBODY)
        return RemoveParticipantResponse()

    def _live(self, name: str) -> LiveRoom:
        room = self._world.rooms.get(name)
        if room is None:
            raise TwirpError("not_found", _NO_ROOM)
        return room


class AgentDispatchService:
    """Dispatches. Answers come from the node that hosts the room: for one that is not live, 503 after a long wait.

    `auto_create` (LiveKit's default): CreateDispatch opens a room that is not live, under a new SID.
    """

    def __init__(
        self, world: World, timers: Timers, release: ServerRelease, *, auto_create: bool, absent_room: float
    ) -> None:
        self._world = world
        self._timers = timers
        self._release = release
        self._auto_create = auto_create
        self._absent_room = absent_room

    def methods(self) -> dict[str, Method[Any]]:
        """By their route."""
        return {
            "AgentDispatchService/CreateDispatch": Method(CreateAgentDispatchRequest, _admin, self._create_dispatch),
            "AgentDispatchService/ListDispatch": Method(ListAgentDispatchRequest, _admin, self._list_dispatch),
            "AgentDispatchService/DeleteDispatch": Method(DeleteAgentDispatchRequest, _admin, self._delete_dispatch),
        }

    async def _create_dispatch(self, asked: CreateAgentDispatchRequest) -> AgentDispatch:
        _validate(asked, self._release)
        if self._auto_create:
            room = self._world.open(CreateRoomRequest(name=asked.room))
        else:
            room = await self._hosted(asked.room)
        agent = RoomAgentDispatch(
            agent_name=asked.agent_name,
            metadata=asked.metadata,
            restart_policy=asked.restart_policy,
            deployment=asked.deployment,
            attributes=dict(asked.attributes),
        )
        return self._world.dispatch(room, agent)

    async def _list_dispatch(self, asked: ListAgentDispatchRequest) -> ListAgentDispatchResponse:
        room = await self._hosted(asked.room)
        dispatches = [one for one in room.dispatches.values() if asked.dispatch_id in {"", one.id}]
        return ListAgentDispatchResponse(agent_dispatches=dispatches)

    async def _delete_dispatch(self, asked: DeleteAgentDispatchRequest) -> AgentDispatch:
        room = await self._hosted(asked.room)
        dispatch = self._world.retract(room, asked.dispatch_id)
        if dispatch is None:
            raise TwirpError("not_found", "dispatch not found")
        return dispatch

    async def _hosted(self, name: str) -> LiveRoom:
        room = self._world.rooms.get(name)
        if room is None:
            await self._timers.sleep(self._absent_room)
            raise TwirpError("unavailable", "twirp error unknown: no response from servers")
        return room


def _validate(asked: CreateAgentDispatchRequest, release: ServerRelease) -> None:
    deployment = release.deployment(asked.deployment)
    if len(deployment.encode()) > DEPLOYMENT_MAX or _BAD_DEPLOYMENT.search(deployment):
        raise TwirpError("invalid_argument", "deployment is invalid")
    if not release.takes_attributes:
        return
    if len(asked.metadata.encode()) > METADATA_MAX:
        raise TwirpError("invalid_argument", "metadata size exceeds limits")
    if sum(len(name.encode()) + len(value.encode()) for name, value in asked.attributes.items()) > ATTRIBUTES_MAX:
        raise TwirpError("invalid_argument", "attributes size exceeds limits")
