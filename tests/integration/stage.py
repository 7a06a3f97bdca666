"""What the tests of the fake LiveKit share: a fast fake, the real SDK's client, and somebody who receives webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit.api import LiveKitAPI, TokenVerifier, WebhookReceiver
from livekit.protocol.agent_dispatch import CreateAgentDispatchRequest
from livekit.protocol.webhook import WebhookEvent

from dispatcher.testing import FakeLiveKit, Timings

SPEED = 50.0
FAST = Timings(speed=SPEED, webhook_max_age=3000.0)  # a busy machine makes webhooks old


@dataclass
class Receiver:
    """Answers webhooks with `statuses` in turn, the last one from then on, and remembers what it got."""

    statuses: Sequence[int] = (200,)
    headers: dict[str, str] = field(default_factory=dict)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    got: list[tuple[web.Request, bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append((request, await request.read()))
        async with self.came:
            self.came.notify_all()
        await self.answering.wait()
        status = self.statuses[min(len(self.got), len(self.statuses)) - 1]
        return web.Response(status=status, headers=self.headers)

    async def wait_for(self, count: int) -> None:
        """So many webhooks have come in, answered or not."""
        async with self.came:
            await self.came.wait_for(lambda: len(self.got) >= count)

    def bodies(self) -> list[Any]:
        """What came in, as JSON."""
        return [json.loads(body) for _, body in self.got]

    def verified(self, key: str, secret: str) -> list[WebhookEvent]:
        """What came in, as the SDK's own receiver reads it; it raises for what is not signed well."""
        receiver = WebhookReceiver(TokenVerifier(key, secret))
        return [receiver.receive(body.decode(), request.headers["Authorization"]) for request, body in self.got]


@asynccontextmanager
async def received(livekit: FakeLiveKit, *statuses: int, hangs: bool = False) -> AsyncIterator[Receiver]:
    """The fake's webhooks arrive here; with `hangs` none is answered until `answering` is set."""
    receiver = Receiver(statuses or (200,))
    if not hangs:
        receiver.answering.set()
    app = web.Application()
    app.router.add_post("/webhook", receiver.answer)
    async with TestServer(app) as server:
        livekit.webhook_url = str(server.make_url("/webhook"))
        yield receiver
        receiver.answering.set()


@asynccontextmanager
async def client(livekit: FakeLiveKit, secret: str | None = None) -> AsyncIterator[LiveKitAPI]:
    """The real SDK's client of this fake."""
    api = LiveKitAPI(livekit.url, livekit.api_key, secret or livekit.api_secret)
    try:
        yield api
    finally:
        await api.aclose()


def asks(room: str, agent: str = "greeter", *, metadata: str = "", deployment: str = "") -> CreateAgentDispatchRequest:
    """A CreateDispatch."""
    return CreateAgentDispatchRequest(room=room, agent_name=agent, metadata=metadata, deployment=deployment)
