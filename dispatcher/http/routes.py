"""Every route of the API: the router and the OpenAPI document are both made of this table."""

from http import HTTPStatus
from types import NoneType
from typing import Any, Final

from dispatcher.client.agents import ListedAgent, ListedAgents
from dispatcher.client.events import Happened
from dispatcher.client.rooms import Dispatched, ListedRooms, Looks
from dispatcher.http.asked import (
    AgentNamed,
    AssignmentNamed,
    DispatchRequest,
    EventsAsked,
    PauseRequest,
    ProjectAsked,
    ResumeRequest,
    RoomAsked,
    RoomNamed,
    RoomsAsked,
    WaitAsked,
)
from dispatcher.http.resources import (
    ApiDocument,
    AskingUser,
    Reloading,
    Swept,
    ToldConfig,
    ToldRoom,
    ToldStats,
    ToldWorkers,
)
from dispatcher.http.route import Nothing, Route

_ORDERED: Final = (HTTPStatus.OK, HTTPStatus.ACCEPTED)  # it is known how it ended; it is under way
_ACCEPTED: Final = (HTTPStatus.ACCEPTED,)

DOCUMENT: Final = Route(
    method="GET",
    path="/v1/openapi.json",
    scope="read",
    says="This document.",
    asks=Nothing,
    takes=NoneType,
    answers=ApiDocument,
)
WHO_AM_I: Final = Route(
    method="GET",
    path="/v1/whoami",
    scope=None,
    says="Who asks, and what they may do.",
    asks=Nothing,
    takes=NoneType,
    answers=AskingUser,
)
ROOMS: Final = Route(
    method="GET",
    path="/v1/rooms",
    scope="read",
    says="The live rooms, newest first; or those that have ended.",
    asks=RoomsAsked,
    takes=NoneType,
    answers=ListedRooms,
)
ROOM: Final = Route(
    method="GET",
    path="/v1/rooms/{room}",
    scope="read",
    says="What happened in a room, and why no agent came: every session of the name, newest first.",
    asks=RoomAsked,
    takes=NoneType,
    answers=ToldRoom,
)
LOOK: Final = Route(
    method="POST",
    path="/v1/rooms/{room}/look",
    scope="dispatch",
    says="Look at the room now.",
    asks=RoomNamed,
    takes=NoneType,
    answers=Looks,
    statuses=_ACCEPTED,
)
CANCEL: Final = Route(
    method="DELETE",
    path="/v1/rooms/{room}/assignments/{assignment}",
    scope="dispatch",
    says="The agent goes, and the assignment is done.",
    asks=AssignmentNamed,
    takes=NoneType,
    answers=Dispatched,
    statuses=_ORDERED,
    problems=(HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
RETRY: Final = Route(
    method="POST",
    path="/v1/rooms/{room}/assignments/{assignment}/retry",
    scope="dispatch",
    says="The assignment has its whole budget again, and is tried now.",
    asks=AssignmentNamed,
    takes=NoneType,
    answers=Dispatched,
    statuses=_ORDERED,
    problems=(HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
DISPATCH: Final = Route(
    method="POST",
    path="/v1/dispatches",
    scope="dispatch",
    says="Ask for an agent. With an Idempotency-Key the same request is the same agent for 24 hours.",
    asks=WaitAsked,
    takes=DispatchRequest,
    answers=Dispatched,
    statuses=_ORDERED,
    problems=(HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.BAD_GATEWAY),
    idempotent=True,
)
AGENTS: Final = Route(
    method="GET",
    path="/v1/agents",
    scope="read",
    says="How each agent stands: those that rules name, that live rooms have, that are paused or seen.",
    asks=Nothing,
    takes=NoneType,
    answers=ListedAgents,
)
PAUSE: Final = Route(
    method="POST",
    path="/v1/agents/{agent}/pause",
    scope="dispatch",
    says="Nobody is given the agent any more, for a while or until it is resumed. The body may be left out.",
    asks=AgentNamed,
    takes=PauseRequest,
    answers=ListedAgent,
    problems=(HTTPStatus.CONFLICT,),
    body_optional=True,
)
RESUME: Final = Route(
    method="POST",
    path="/v1/agents/{agent}/resume",
    scope="dispatch",
    says="The pause that somebody ordered is over. The body may be left out.",
    asks=AgentNamed,
    takes=ResumeRequest,
    answers=ListedAgent,
    body_optional=True,
)
EVENTS: Final = Route(
    method="GET",
    path="/v1/events",
    scope="read",
    says="What changes, as server-sent events, whose data is a Happened; after Last-Event-ID what was missed.",
    asks=EventsAsked,
    takes=NoneType,
    answers=Happened,
    content_type="text/event-stream",
    resumable=True,
)
WORKERS: Final = Route(
    method="GET",
    path="/v1/workers",
    scope="read",
    says="What the configured workers said when they were asked last.",
    asks=Nothing,
    takes=NoneType,
    answers=ToldWorkers,
)
STATS: Final = Route(
    method="GET",
    path="/v1/stats",
    scope="read",
    says="How the service stands: assignments by state and the longest wait, and what this replica itself knows.",
    asks=Nothing,
    takes=NoneType,
    answers=ToldStats,
)
CONFIG: Final = Route(
    method="GET",
    path="/v1/config",
    scope="admin",
    says="The configuration in force, without secrets, when it was loaded, and the last reload that was refused.",
    asks=Nothing,
    takes=NoneType,
    answers=ToldConfig,
)
SWEEP: Final = Route(
    method="POST",
    path="/v1/sweep",
    scope="admin",
    says="Compare all live rooms with the ledger now.",
    asks=ProjectAsked,
    takes=NoneType,
    answers=Swept,
    statuses=_ACCEPTED,
)
RELOAD: Final = Route(
    method="POST",
    path="/v1/reload",
    scope="admin",
    says="Read the configuration again now.",
    asks=Nothing,
    takes=NoneType,
    answers=Reloading,
    statuses=_ACCEPTED,
)

# The same for a room of any name, `.` and `..` too, which no client and no proxy leaves in a path.
ROOM_BY_NAME: Final = ROOM.at("/v1/room")
LOOK_BY_NAME: Final = LOOK.at("/v1/room/look")
CANCEL_BY_NAME: Final = CANCEL.at("/v1/room/assignment")
RETRY_BY_NAME: Final = RETRY.at("/v1/room/assignment/retry")

ROUTES: Final[tuple[Route[Any, Any, Any], ...]] = (
    DOCUMENT,
    WHO_AM_I,
    ROOMS,
    ROOM,
    LOOK,
    CANCEL,
    RETRY,
    ROOM_BY_NAME,
    LOOK_BY_NAME,
    CANCEL_BY_NAME,
    RETRY_BY_NAME,
    DISPATCH,
    AGENTS,
    PAUSE,
    RESUME,
    EVENTS,
    WORKERS,
    STATS,
    CONFIG,
    SWEEP,
    RELOAD,
)
