"""One project's LiveKit, behind one door: look, create, retract. Every foreign error ends here as one of ours.

The SDK's own timeout does nothing (it hands aiohttp `timeout=None`), so each call here has a deadline of its own.
Its failover replays CreateDispatch, so it is off.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from functools import partial
from time import monotonic
from typing import Final, TypeAlias, TypeVar

from aiohttp import ClientConnectorError, ClientError, ClientSession
from google.protobuf.message import DecodeError
from livekit.api import LiveKitAPI, ServerError
from livekit.protocol import agent_dispatch
from livekit.protocol import room as room_service
from msgspec import Struct
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random

from dispatcher.core.events import Participant, Room, RoomSid
from dispatcher.core.rules import Target
from dispatcher.core.seen import Dispatch, Seen
from dispatcher.messages import TAG, dispatch_of, participant_of, room_of
from dispatcher.retry_after import asked

T = TypeVar("T")
Observe: TypeAlias = Callable[[str, str, float], None]  # method, "ok" or a Reason, seconds

OK: Final = "ok"


class Reason(StrEnum):
    """Why a call failed; also the `result` label of `livekit_request_seconds` (its success is "ok")."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"  # the connection was refused, or broke before the request was sent
    BROKEN = "broken"  # the connection broke after the request was sent
    LIMITED = "limited"  # 429
    SERVER = "server"  # 5xx, 408
    INVALID = "invalid"  # 400 and other 4xx
    NOT_FOUND = "not_found"  # 404
    UNAUTHORIZED = "unauthorized"  # 401, 403


class LiveKitError(Exception):
    """A call failed. Its text is the method and the reason: never a token, metadata or a foreign message."""

    def __init__(self, method: str, reason: Reason, *, retry_after: float | None = None) -> None:
        super().__init__(f"{method}: {reason}")
        self.method = method
        self.reason = reason
        self.retry_after = retry_after  # seconds, as the server asked


class Unavailable(LiveKitError):
    """Nothing happened; the same call may succeed later."""


class Refused(LiveKitError):
    """Nothing happened, and the same call never will succeed (see `reason`)."""


class Unknown(LiveKitError):
    """It may have happened: only a look can tell."""


_BY_STATUS: Final[Mapping[int, Reason]] = {
    401: Reason.UNAUTHORIZED,
    403: Reason.UNAUTHORIZED,
    404: Reason.NOT_FOUND,
    408: Reason.SERVER,  # Twirp's deadline_exceeded: the node that hosts the room was slow
    429: Reason.LIMITED,
}
# What a failed call means. A read that fails has changed nothing; 404 is a room that closes: the next look says so.
_READ: Final[Mapping[Reason, type[LiveKitError]]] = {
    **dict.fromkeys(Reason, Unavailable),
    **dict.fromkeys((Reason.INVALID, Reason.UNAUTHORIZED), Refused),
}
_ACT: Final[Mapping[Reason, type[LiveKitError]]] = {
    **dict.fromkeys((Reason.UNREACHABLE, Reason.LIMITED), Unavailable),
    **dict.fromkeys((Reason.TIMEOUT, Reason.BROKEN, Reason.SERVER), Unknown),
    **dict.fromkeys((Reason.INVALID, Reason.NOT_FOUND, Reason.UNAUTHORIZED), Refused),
}
_PASSING: Final = frozenset({Reason.UNREACHABLE, Reason.BROKEN, Reason.SERVER})
_AGAIN: Final = AsyncRetrying(  # reads only
    retry=retry_if_exception(lambda error: isinstance(error, Unavailable) and error.reason in _PASSING),
    wait=wait_random(0.05, 0.15),
    reraise=True,
)
# AttributeError is how the SDK fails on an error body that is JSON but no object, as proxies send.
_FOREIGN: Final = (ServerError, ClientError, OSError, DecodeError, AttributeError)


class Limits(Struct, frozen=True, kw_only=True):
    """How long a call may take, in seconds. A ledger's lease is longer than `look` and `act`."""

    look: float = 2.0  # all three reads together, the second try included
    act: float = 5.0  # create, remove, delete; and the sweep's list of all rooms
    tries: int = 2  # of a read, within its look


LIMITS: Final = Limits()


class LiveKit:
    """One project. Made inside a running loop; owns nothing: the session is the caller's to close.

    Each request is told to `observe`, but for those that we cancel ourselves.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        *,
        session: ClientSession,
        observe: Observe,
        limits: Limits = LIMITS,
    ) -> None:
        self._api = LiveKitAPI(url, key, secret, session=session, failover=False)
        self._observe = observe
        self._limits = limits
        self._alone_until = 0.0  # monotonic

    async def look(self, room: str, sid: RoomSid) -> Seen:
        """What LiveKit shows of the session, read side by side. Raises Unavailable or Refused: that is never "absent".

        ListDispatch takes 3 s and fails when the room is absent, so it is cancelled as soon as ListRooms says so.
        """
        until = self._deadline(self._limits.look)
        participants = asyncio.create_task(self._participants(room, until))
        dispatches = asyncio.create_task(self._dispatches(room, until))
        try:
            listed = await self._rooms([room], until)
            own = next((one for one in listed if one.sid == sid), None)
            if own is None:
                return Seen(room=None)
            return Seen(room=own, participants=await participants, dispatches=await dispatches)
        finally:
            participants.cancel()
            dispatches.cancel()

    async def rooms(self) -> tuple[Room, ...]:
        """Every live room of the project. Raises Unavailable or Refused."""
        return await self._rooms([], self._deadline(self._limits.act))

    async def create(self, room: str, target: Target, *, metadata: str, tag: str) -> Dispatch:
        """A new dispatch exists, as the server echoes it. Raises Unavailable, Refused or Unknown. One POST, never two.

        Not idempotent: each call adds an agent (livekit.md §2.1). A server before 1.12.0 ignores the deployment, before
        1.13.2 the tag; the echo then lacks it.
        """
        request = agent_dispatch.CreateAgentDispatchRequest(
            room=room,
            agent_name=target.agent,
            deployment=target.deployment,
            metadata=metadata,
            attributes={TAG: tag},
        )
        made = await self._act("CreateDispatch", partial(self._api.agent_dispatch.create_dispatch, request))
        if not made.id:  # an empty 200, as a proxy may send, parses too
            raise Unknown("CreateDispatch", Reason.BROKEN)
        return dispatch_of(made)

    async def remove(self, room: str, identity: str) -> None:
        """The participant is out of the room, or was. Raises Unavailable, Refused or Unknown."""
        request = room_service.RoomParticipantIdentity(room=room, identity=identity)
        await self._gone("RemoveParticipant", partial(self._api.room.remove_participant, request))

    async def delete(self, room: str, dispatch: str) -> None:
        """The dispatch with this id is no longer listed, and its agent is told to leave. Raises as `remove` does.

        A launch already queued survives it, and may bring an agent that no listed dispatch names (docs/livekit.md §0).
        """
        await self._gone("DeleteDispatch", partial(self._api.agent_dispatch.delete_dispatch, dispatch, room))

    async def _rooms(self, names: list[str], until: float) -> tuple[Room, ...]:
        request = room_service.ListRoomsRequest(names=names)
        reply = await self._read("ListRooms", partial(self._api.room.list_rooms, request), until)
        return tuple(room_of(one) for one in reply.rooms)

    async def _participants(self, room: str, until: float) -> tuple[Participant, ...]:
        request = room_service.ListParticipantsRequest(room=room)
        reply = await self._read("ListParticipants", partial(self._api.room.list_participants, request), until)
        return tuple(participant_of(one) for one in reply.participants)

    async def _dispatches(self, room: str, until: float) -> tuple[Dispatch, ...]:
        reply = await self._read("ListDispatch", partial(self._api.agent_dispatch.list_dispatch, room), until)
        return tuple(dispatch_of(one) for one in reply if not one.state.deleted_at)

    async def _gone(self, method: str, send: Callable[[], Awaitable[object]]) -> None:
        try:
            await self._act(method, send)
        except Refused as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    async def _read(self, method: str, send: Callable[[], Awaitable[T]], until: float) -> T:
        again = _AGAIN.copy(stop=stop_after_attempt(self._limits.tries))
        return await again(self._call, method, send, until, _READ)

    async def _act(self, method: str, send: Callable[[], Awaitable[T]]) -> T:
        return await self._call(method, send, self._deadline(self._limits.act), _ACT)

    async def _call(
        self,
        method: str,
        send: Callable[[], Awaitable[T]],
        until: float,
        verdicts: Mapping[Reason, type[LiveKitError]],
    ) -> T:
        started = monotonic()
        if self._alone_until > started:
            raise verdicts[Reason.LIMITED](method, Reason.LIMITED, retry_after=self._alone_until - started)
        try:
            async with asyncio.timeout_at(until):
                reply = await send()
        except _FOREIGN as error:  # its text may carry data: it stops here
            reason = _reason(error)
            self._observe(method, reason, monotonic() - started)
            retry_after = asked() if reason is Reason.LIMITED else None
            self._alone_until = max(self._alone_until, monotonic() + (retry_after or 0))
            raise verdicts[reason](method, reason, retry_after=retry_after) from None
        self._observe(method, OK, monotonic() - started)
        return reply

    def _deadline(self, seconds: float) -> float:
        return asyncio.get_running_loop().time() + seconds


def _reason(error: Exception) -> Reason:
    match error:
        case ServerError(status=status) if 400 <= status < 500:
            return _BY_STATUS.get(status, Reason.INVALID)
        case ServerError():
            return Reason.SERVER
        case ClientConnectorError():
            return Reason.UNREACHABLE
        case TimeoutError():
            return Reason.TIMEOUT
        case _:
            return Reason.BROKEN
