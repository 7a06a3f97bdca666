"""For applications: ask the running service for an agent. It needs aiohttp and msgspec, and nothing of the service."""

from dispatcher.client.dispatcher import (
    Dispatched,
    Dispatcher,
    DispatchFields,
    ListedAssignment,
    ListedRoom,
    LookedAt,
)
from dispatcher.client.transport import Answer, RequestFailed

__all__ = [
    "Answer",
    "DispatchFields",
    "Dispatched",
    "Dispatcher",
    "ListedAssignment",
    "ListedRoom",
    "LookedAt",
    "RequestFailed",
]
