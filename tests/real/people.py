"""Real participants: they join a room with a token and stay, without audio or video."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

from livekit.api import AccessToken, RoomAgentDispatch, RoomConfiguration, VideoGrants
from livekit.rtc import Room

from tests.real.server import Server

Kind: TypeAlias = Literal["standard", "egress", "ingress", "sip", "agent"]
Grant: TypeAlias = Literal["hidden", "recorder", "agent"]


@asynccontextmanager
async def present(
    server: Server,
    room: str,
    identity: str = "alice",
    *,
    kind: Kind = "standard",
    grant: Grant | None = None,
    attributes: Mapping[str, str] | None = None,
    agents: Sequence[str] = (),
) -> AsyncIterator[Room]:
    """They are connected: LiveKit lists them as ACTIVE. Afterwards they have left (CLIENT_INITIATED).

    Their token has this `grant`, too; `agents` are dispatched by the token, if it is the one that opens the room.
    """
    grants = VideoGrants(room_join=True, room=room)
    if grant:
        setattr(grants, grant, True)
    token = AccessToken(server.key, server.secret).with_identity(identity).with_grants(grants).with_kind(kind)
    token = token.with_attributes(dict(attributes or {}))
    if agents:
        wanted = [RoomAgentDispatch(agent_name=name) for name in agents]
        token = token.with_room_config(RoomConfiguration(agents=wanted))
    here = Room()
    await here.connect(server.url.replace("http", "ws"), token.to_jwt())
    try:
        yield here
    finally:
        await here.disconnect()
