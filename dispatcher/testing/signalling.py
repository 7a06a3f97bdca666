"""The fake's signal connection: whoever opens a websocket at `/rtc` with a token is in the room while it is open.

Nothing of LiveKit's signal protocol is spoken on it, and there is no media: it is for real processes that have to be
seen in a room. One that says goodbye leaves at once, one that dies as LiveKit was seen to notice it (livekit.md §0).
"""

import asyncio
from collections.abc import Mapping

import jwt
from aiohttp import WSMsgType, web
from livekit.protocol.models import ParticipantInfo, ParticipantPermission
from livekit.protocol.room import CreateRoomRequest

from dispatcher.testing.room import LiveRoom
from dispatcher.testing.timers import Timers, Timings
from dispatcher.testing.world import World


class Signalling:
    """Answers `GET /rtc`."""

    def __init__(self, keys: Mapping[str, str], world: World, timers: Timers, timings: Timings) -> None:
        self._keys = keys
        self._world = world
        self._timers = timers
        self._timings = timings

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Have the token's holder in the room, until the connection ends or the room has it no more."""
        try:
            claims = self._claims(request.query.get("access_token", ""))
        except (jwt.InvalidTokenError, KeyError):
            return web.Response(status=401)
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        room = self._world.open(CreateRoomRequest(name=claims["video"]["room"]))
        joined = room.join(_participant(claims))
        removed = asyncio.create_task(self._removed(room, joined.sid, connection))
        try:
            message = await connection.receive()
            while message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                message = await connection.receive()
        finally:
            removed.cancel()
        if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING} or connection.close_code == 1000:
            room.leave(joined.sid, "CLIENT_INITIATED")
        else:
            self._timers.later(self._timings.lost, lambda: room.leave(joined.sid, "CONNECTION_TIMEOUT"))
        return connection

    def _claims(self, token: str) -> Mapping[str, dict[str, str]]:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss", "")
        claims: Mapping[str, dict[str, str]] = jwt.decode(token, self._keys[issuer], algorithms=["HS256"])
        if not claims["video"].get("roomJoin"):
            raise jwt.InvalidTokenError
        return claims

    async def _removed(self, room: LiveRoom, sid: str, connection: web.WebSocketResponse) -> None:
        """Say goodbye to somebody whom the room has no more."""
        while sid in room.participants and not room.over:
            await self._timers.sleep(self._timings.removal)
        await connection.close()


def _participant(claims: Mapping[str, dict[str, str]]) -> ParticipantInfo:
    kind = str(claims.get("kind", "standard")).upper()
    return ParticipantInfo(
        identity=str(claims["sub"]),
        name=str(claims.get("name", "")),
        kind=kind,
        attributes=claims.get("attributes", {}),
        permission=ParticipantPermission(
            can_subscribe=True, can_publish=True, can_publish_data=True, agent=bool(claims["video"].get("agent"))
        ),
    )
