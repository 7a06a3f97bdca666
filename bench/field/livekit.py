"""A LiveKit that costs next to nothing: rooms of one person, who get the agent that is asked for.

It answers each call after ANSWER_S, as a real server on the same host does, in the form it was asked in: protobuf, or
JSON as Node's SDK does.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message
from livekit.protocol import agent, agent_dispatch, models
from livekit.protocol import room as room_service

from bench.field.wire import Answered, Server, response

ANSWER_S: Final = 0.0003
AGENT_S: Final = 0.02  # from a dispatch to its agent's being ACTIVE
PROTOBUF: Final = b"application/protobuf"
JSON: Final = b"application/json"
NO_ROOM: Final = b'{"code":"not_found","msg":"requested room does not exist"}'


@dataclass(slots=True)
class Visit:
    """One room, the people in it, and the agents that were asked for."""

    room: models.Room
    person: models.ParticipantInfo
    people: list[models.ParticipantInfo] = field(default_factory=list)  # those who are there now
    asked_at: float = 0.0  # on the loop's clock: the first CreateDispatch
    dispatches: list[agent_dispatch.AgentDispatch] = field(default_factory=list)
    agents: list[models.ParticipantInfo] = field(default_factory=list)


class LiveKit:
    """The rooms by name, what was asked of them, and who is to hear of an agent that has joined."""

    def __init__(self, agent_joined: Callable[[Visit, models.ParticipantInfo], None]) -> None:
        self.visits: dict[str, Visit] = {}
        self.calls: Counter[str] = Counter()
        self._agent_joined = agent_joined
        self._loop = asyncio.get_running_loop()

    def connected(self) -> Server:
        """Who serves one more connection."""
        return Server(self._handle)

    def _handle(self, path: bytes, head: bytes, body: bytes, answered: Answered) -> None:
        method = path.rpartition(b"/")[2].decode()
        self.calls[method] += 1
        asked_type, reply = _METHODS[method]
        asked, in_json = asked_type(), JSON in head
        if in_json:
            json_format.Parse(body, asked, ignore_unknown_fields=True)
        else:
            asked.ParseFromString(body)
        try:
            answer = reply(self, asked)
        except KeyError:  # the room has ended
            self._loop.call_later(ANSWER_S, answered, response(NO_ROOM, JSON, b"404 Not Found"))
            return
        text = json_format.MessageToJson(answer).encode() if in_json else answer.SerializeToString()
        self._loop.call_later(ANSWER_S, answered, response(text, JSON if in_json else PROTOBUF))

    def list_rooms(self, asked: room_service.ListRoomsRequest) -> Message:
        names = asked.names or self.visits
        return room_service.ListRoomsResponse(rooms=[self.visits[name].room for name in names if name in self.visits])

    def list_participants(self, asked: room_service.ListParticipantsRequest) -> Message:
        visit = self.visits[asked.room]
        return room_service.ListParticipantsResponse(participants=[*visit.people, *visit.agents])

    def list_dispatch(self, asked: agent_dispatch.ListAgentDispatchRequest) -> Message:
        return agent_dispatch.ListAgentDispatchResponse(agent_dispatches=self.visits[asked.room].dispatches)

    def create_dispatch(self, asked: agent_dispatch.CreateAgentDispatchRequest) -> Message:
        visit = self.visits[asked.room]
        visit.asked_at = visit.asked_at or self._loop.time()
        dispatch = agent_dispatch.AgentDispatch(
            id=f"AD_{asked.room}_{len(visit.dispatches)}",
            agent_name=asked.agent_name,
            room=asked.room,
            metadata=asked.metadata,
            attributes=asked.attributes,
            state=agent_dispatch.AgentDispatchState(created_at=visit.room.creation_time_ms * 1_000_000),
        )
        visit.dispatches.append(dispatch)
        self._loop.call_later(AGENT_S, self._join, visit, dispatch)
        return dispatch

    def _join(self, visit: Visit, dispatch: agent_dispatch.AgentDispatch) -> None:
        """The job of the dispatch runs, and its agent is ACTIVE, unless the room has ended."""
        if visit.room.name not in self.visits:
            return
        joined = models.ParticipantInfo(
            sid=f"PA_{dispatch.id}",
            identity=f"agent-{dispatch.id}",
            state=models.ParticipantInfo.ACTIVE,
            kind=models.ParticipantInfo.AGENT,
            joined_at=visit.person.joined_at,
            joined_at_ms=visit.person.joined_at_ms + 100,
            attributes={"lk.agent.name": dispatch.agent_name},
            permission=models.ParticipantPermission(can_publish=True, can_subscribe=True, agent=True),
        )
        job = agent.Job(id=f"AJ_{dispatch.id}", dispatch_id=dispatch.id, agent_name=dispatch.agent_name)
        job.state.status = agent.JS_RUNNING
        job.state.participant_identity = joined.identity
        dispatch.state.jobs.append(job)
        visit.agents.append(joined)
        self._agent_joined(visit, joined)


_METHODS: Final[Mapping[str, tuple[type[Message], Callable[[LiveKit, Any], Message]]]] = {
    "ListRooms": (room_service.ListRoomsRequest, LiveKit.list_rooms),
    "ListParticipants": (room_service.ListParticipantsRequest, LiveKit.list_participants),
    "ListDispatch": (agent_dispatch.ListAgentDispatchRequest, LiveKit.list_dispatch),
    "CreateDispatch": (agent_dispatch.CreateAgentDispatchRequest, LiveKit.create_dispatch),
}
