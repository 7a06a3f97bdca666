"""For applications: ask the running service for an agent. It needs aiohttp and msgspec, and nothing of the service."""

from dispatcher.client.agents import AgentPause, AgentProbe, AgentTarget, LastHour, ListedAgent, ListedAgents, SplitStop
from dispatcher.client.dispatcher import Dispatcher, DispatchFields, RoomsFields
from dispatcher.client.events import Happened
from dispatcher.client.rooms import Dispatched, ListedAssignment, ListedRoom, LookedAt
from dispatcher.client.transport import Answer, RequestFailed

__all__ = [
    "AgentPause",
    "AgentProbe",
    "AgentTarget",
    "Answer",
    "DispatchFields",
    "Dispatched",
    "Dispatcher",
    "Happened",
    "LastHour",
    "ListedAgent",
    "ListedAgents",
    "ListedAssignment",
    "ListedRoom",
    "LookedAt",
    "RequestFailed",
    "RoomsFields",
    "SplitStop",
]
