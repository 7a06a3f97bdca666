"""Calls one project's LiveKit: look, create, retract. Every foreign error ends here as one of ours.

livekit-api makes the tokens, and the rare calls. Its timeout does nothing (it hands aiohttp `timeout=None`), so
each call here has a deadline of its own; its failover replays calls, so it is off. Lists it would hold whole and decode
at one go: they are read here, as they arrive (docs/adr/0025). Dispatches are created here, too: with the token that the
room's looks have (docs/adr/0055).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import monotonic
from typing import Final, Generic, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message
from livekit.api import LiveKitAPI
from livekit.api.twirp_client import TwirpClient
from livekit.protocol import agent_dispatch, models
from livekit.protocol import room as room_service
from msgspec import Struct
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random

from dispatcher.core import timing
from dispatcher.core.facts import TAG, Participant, Room, RoomSid
from dispatcher.core.rules import Target
from dispatcher.core.snapshot import Arrivals, Dispatch, RoomSnapshot
from dispatcher.livekit.answers import ROOM_MAX, TwirpSession, each, post
from dispatcher.livekit.failures import ACT, FOREIGN, READ, LiveKitError, Reason, Refused, Unavailable, failure
from dispatcher.livekit.messages import TRACE, bare_room_of, dispatch_of, live_dispatch_of, participant_of, room_of
from dispatcher.livekit.tokens import Tokens

M = TypeVar("M", bound=Message)
T = TypeVar("T")
Observe: TypeAlias = Callable[[str, str, float], None]  # method, "ok" or a Reason, seconds

OK: Final = "ok"
ROOMS_MAX: Final = 256 << 20  # bytes of the list of all rooms: of 5,000 with 50 kB of metadata each

_PASSING: Final = frozenset({Reason.UNREACHABLE, Reason.BROKEN, Reason.SERVER})
_AGAIN: Final = AsyncRetrying(  # reads only
    retry=retry_if_exception(lambda error: isinstance(error, Unavailable) and error.reason in _PASSING),
    wait=wait_random(0.05, 0.15),
    reraise=True,
)


class _List(Struct, Generic[M, T], frozen=True):
    """One of LiveKit's lists: where it is asked for, what it lists, and what is taken of each one (None: nothing)."""

    service: str
    method: str
    of: type[M]
    take: Callable[[M], T | None]
    at_most: int = ROOM_MAX


_ROOM: Final = _List("RoomService", "ListRooms", models.Room, room_of)
_ROOMS: Final = _List("RoomService", "ListRooms", models.Room, bare_room_of, ROOMS_MAX)
_PEOPLE: Final = _List("RoomService", "ListParticipants", models.ParticipantInfo, participant_of)
_DISPATCHES: Final = _List("AgentDispatchService", "ListDispatch", agent_dispatch.AgentDispatch, live_dispatch_of)


class CallLimits(Struct, frozen=True, kw_only=True):
    """How long a call may take, in seconds."""

    look: float = timing.LOOK_LIMIT_MS / 1000
    act: float = timing.ACT_LIMIT_MS / 1000
    tries: int = 2  # of a read, within its look


LIMITS: Final = CallLimits()


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
        session: TwirpSession,
        observe: Observe,
        limits: CallLimits = LIMITS,
    ) -> None:
        self._api = LiveKitAPI(url, key, secret, session=session, failover=False)
        self._session = session
        self._services = TwirpClient(session, url, "livekit").host + "/twirp/livekit"  # http:// if it was ws://
        self._tokens = Tokens(key, secret)
        self._observe = observe
        self._limits = limits
        self._alone_until = 0.0  # monotonic

    async def look(self, room: str, sid: RoomSid, arrivals: Arrivals | None = None) -> RoomSnapshot:
        """Read what LiveKit shows of the session. Raises Unavailable or Refused, never for an absent room.

        ListDispatch takes 3 s and fails when the room is absent, so it is cancelled as soon as ListRooms says so.
        With `arrivals`, LiveKit is asked for the room only if nobody is in it who was heard to have joined it.
        """
        until = _deadline(self._limits.look)
        admin = self._tokens.for_room(room)
        people = room_service.ListParticipantsRequest(room=room)
        asked = agent_dispatch.ListAgentDispatchRequest(room=room)
        participants = asyncio.create_task(self._listed(_PEOPLE, people, admin, until))
        dispatches = asyncio.create_task(self._listed(_DISPATCHES, asked, admin, until))
        try:
            told = arrivals.room if arrivals and await _has_joined(arrivals.joined, participants) else None
            own = told or next((one for one in await self._lives(room, until) if one.sid == sid), None)
            if own is None:
                return RoomSnapshot(room=None)
            heard, there = told is not None, await participants
            return RoomSnapshot(room=own, heard=heard, participants=there, dispatches=await dispatches)
        finally:
            participants.cancel()
            dispatches.cancel()

    async def room(self, name: str) -> Room | None:
        """Read the room of this name, as it lives now. Raises Unavailable or Refused."""
        return next(iter(await self._lives(name, _deadline(self._limits.look))), None)

    async def _lives(self, name: str, until: float) -> tuple[Room, ...]:
        named = room_service.ListRoomsRequest(names=[name])
        return await self._listed(_ROOM, named, self._tokens.to_list_rooms(), until)

    async def people(self, room: str) -> tuple[Participant, ...]:
        """List who is in the room of this name, as it lives now; of an absent room nobody. Raises as `room` does."""
        asked = room_service.ListParticipantsRequest(room=room)
        return await self._listed(_PEOPLE, asked, self._tokens.for_room(room), _deadline(self._limits.look))

    async def open(self, room: str, empty_timeout: int = 0) -> Room:
        """Open the room, or find it where it lives. It ends so many seconds after nobody has come; 0: LiveKit's own.

        Raises Unavailable, Refused or Unknown.
        """
        request = room_service.CreateRoomRequest(name=room, empty_timeout=empty_timeout)
        return room_of(await self._act("CreateRoom", partial(self._api.room.create_room, request)))

    async def rooms(self) -> tuple[Room, ...]:
        """List every live room, without metadata, which may take 100 MB and nobody needs. Raises as `room` does."""
        until = _deadline(self._limits.act)
        return await self._listed(_ROOMS, room_service.ListRoomsRequest(), self._tokens.to_list_rooms(), until)

    async def create(self, room: str, target: Target, *, metadata: str, tag: str, trace: str = "") -> Dispatch:
        """Create a dispatch; returns the server's echo. Raises Unavailable, Refused, Unknown. One POST, never two.

        Not idempotent: each call adds an agent (livekit.md §2.1). A server before 1.12.0 ignores the deployment, before
        1.13.2 the tag and the trace (W3C's traceparent, for the agent); the echo then lacks them.
        """
        request = agent_dispatch.CreateAgentDispatchRequest(
            room=room,
            agent_name=target.agent,
            deployment=target.deployment,
            metadata=metadata,
            attributes={TAG: tag} | ({TRACE: trace} if trace else {}),
        )
        address, token = f"{self._services}.AgentDispatchService/CreateDispatch", self._tokens.for_room(room)

        async def send() -> agent_dispatch.AgentDispatch:
            async with post(self._session, address, request, token) as answer:
                return agent_dispatch.AgentDispatch.FromString(await answer.read())

        return dispatch_of(await self._act("CreateDispatch", partial(_named, send)))

    async def end(self, room: str) -> None:
        """End the room, if it is there. Raises as `remove` does."""
        await self._gone("DeleteRoom", partial(self._api.room.delete_room, room_service.DeleteRoomRequest(room=room)))

    async def remove(self, room: str, identity: str) -> None:
        """Remove the participant from the room, if still there. Raises Unavailable, Refused or Unknown."""
        request = room_service.RoomParticipantIdentity(room=room, identity=identity)
        await self._gone("RemoveParticipant", partial(self._api.room.remove_participant, request))

    async def delete(self, room: str, dispatch: str) -> None:
        """Delete the dispatch; its agent is told to leave. Raises as `remove` does.

        A launch already queued survives it, and may bring an agent that no listed dispatch names (docs/livekit.md §0).
        """
        send = partial(self._api.agent_dispatch.delete_dispatch, dispatch, room)
        await self._gone("DeleteDispatch", partial(_named, send))

    async def _listed(self, page: _List[M, T], asked: Message, token: str, until: float) -> tuple[T, ...]:
        async def send() -> tuple[T, ...]:
            async with post(self._session, f"{self._services}.{page.service}/{page.method}", asked, token) as answer:
                taken = [page.take(one) async for one in each(answer, page.of, page.at_most)]
            return tuple(one for one in taken if one is not None)

        again = _AGAIN.copy(stop=stop_after_attempt(self._limits.tries))
        return await again(self._call, page.method, send, until, READ)

    async def _gone(self, method: str, send: Callable[[], Awaitable[object]]) -> None:
        try:
            await self._act(method, send)
        except Refused as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    async def _act(self, method: str, send: Callable[[], Awaitable[T]]) -> T:
        return await self._call(method, send, _deadline(self._limits.act), ACT)

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
        except FOREIGN as error:  # its text may carry data: it stops here
            failed = failure(error, method, verdicts)
            self._observe(method, failed.reason, monotonic() - started)
            self._alone_until = max(self._alone_until, monotonic() + (failed.retry_after or 0))
            raise failed from None
        self._observe(method, OK, monotonic() - started)
        return reply


async def _named(send: Callable[[], Awaitable[agent_dispatch.AgentDispatch]]) -> agent_dispatch.AgentDispatch:
    """The dispatch that the server names. Raises DecodeError: an empty 200, as a proxy may send, parses too."""
    dispatch = await send()
    if not dispatch.id:
        raise DecodeError
    return dispatch


async def _has_joined(joined: frozenset[str], participants: Awaitable[tuple[Participant, ...]]) -> bool:
    """Whether one of these is there; not where the list fails: ListRooms says whether that is as the room is absent."""
    try:
        return not joined.isdisjoint(one.sid for one in await participants)
    except LiveKitError:
        return False


def _deadline(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds
