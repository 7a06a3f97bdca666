"""A receiver of LiveKit's webhooks that only writes down when they came: what the benchmarks time."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from tests.real.server import free_port

AGENT: Final = "AGENT"
PERSON: Final = "STANDARD"
OPENED: Final = "room_started"  # as if it were somebody's joining


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A participant_joined: its participant is ACTIVE."""

    at: float  # seconds, of time.monotonic, when the webhook came
    joined_at: int  # epoch ms, LiveKit's clock: when it asked to join, a little before it was ACTIVE


class Witness:
    """Who has joined which room, the first of each kind, and which rooms have ended."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.joins: dict[tuple[str, str], Joined] = {}
        self.finished: set[str] = set()
        self._news = asyncio.Condition()

    async def joined(self, room: str, kind: str, within: float = 30.0) -> Joined:
        """The first of this kind in the room, as soon as it is there. Raises TimeoutError."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: (room, kind) in self.joins)
        return self.joins[room, kind]

    async def all_served(self, rooms: set[str], within: float) -> None:
        """Every one of these rooms has had an agent, or so many seconds have passed."""
        await self._until(lambda: all((room, AGENT) in self.joins for room in rooms), within)

    async def all_finished(self, rooms: set[str], within: float) -> None:
        """Every one of these rooms has ended, or so many seconds have passed."""
        await self._until(lambda: rooms <= self.finished, within)

    async def _until(self, true: Callable[[], bool], within: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within), self._news:
                await self._news.wait_for(true)

    async def hear(self, request: web.Request) -> web.Response:
        """Written down; every webhook is answered with 200."""
        now, event = time.monotonic(), json.loads(await request.read())
        name, room, participant = event["event"], event.get("room", {}).get("name", ""), event.get("participant", {})
        async with self._news:
            if name == "participant_joined":
                joined = Joined(at=now, joined_at=int(participant.get("joinedAtMs", "0")))
                self.joins.setdefault((room, participant.get("kind", PERSON)), joined)
            if name == "room_started":
                self.joins.setdefault((room, OPENED), Joined(at=now, joined_at=0))
            if name == "room_finished":
                self.finished.add(room)
            self._news.notify_all()
        return web.Response()


@asynccontextmanager
async def witnessing() -> AsyncIterator[Witness]:
    """It listens on a loopback port of its own."""
    port = free_port()
    witness = Witness(f"http://127.0.0.1:{port}/")
    async with receiving(port, witness.hear):
        yield witness


@asynccontextmanager
async def receiving(port: int, hear: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[None]:
    """`hear` gets whatever is posted to the loopback port."""
    app = web.Application()
    app.router.add_post("/", hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()
