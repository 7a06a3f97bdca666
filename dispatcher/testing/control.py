"""What a fake LiveKit is told over HTTP, below `/fake`, by whoever has no Python at hand: people, workers, faults.

There are no tokens here: it is for a server to develop against, which has nothing to guard.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec
from aiohttp import web

from dispatcher.testing.fake import FakeLiveKit
from dispatcher.testing.rooms import Details
from dispatcher.testing.written import arm, written_worker

PREFIX: Final = "/fake"

Act: TypeAlias = Callable[[web.Request], Awaitable[None]]


class Control:
    """Each request does one thing, and is answered with the world as it is then, in lines of text."""

    def __init__(self, livekit: FakeLiveKit) -> None:
        self._livekit = livekit

    def routes(self) -> list[web.RouteDef]:
        """For `FakeLiveKit.answer_more`."""
        person = f"{PREFIX}/rooms/{{room}}/{{identity}}"
        return [
            web.get(PREFIX, self._answered(self._look)),
            web.post(person, self._answered(self._join)),
            web.delete(person, self._answered(self._leave)),
            web.delete(f"{PREFIX}/rooms/{{room}}", self._answered(self._close)),
            web.post(f"{PREFIX}/workers", self._answered(self._worker)),
            web.post(f"{PREFIX}/faults", self._answered(self._fault)),
        ]

    def _answered(self, act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                await act(request)
            except KeyError as absent:
                return web.Response(status=404, text=f"not here: {absent.args[0]}\n")
            except ValueError as wrong:  # a text that is none, JSON that is none, a kind that LiveKit does not have
                return web.Response(status=400, text=f"{wrong}\n")
            return web.Response(text=f"{self._livekit.describe()}\n")

        return answer

    async def _look(self, _request: web.Request) -> None:
        """Change nothing."""

    async def _join(self, request: web.Request) -> None:
        body = await request.read()
        details: Details = msgspec.json.decode(body, type=Details) if body else {}
        await self._livekit.rooms.join(request.match_info["room"], request.match_info["identity"], **details)

    async def _leave(self, request: web.Request) -> None:
        reason = request.query.get("reason", "CLIENT_INITIATED")
        await self._livekit.rooms.leave(request.match_info["room"], request.match_info["identity"], reason)

    async def _close(self, request: web.Request) -> None:
        await self._livekit.rooms.close(request.match_info["room"])

    async def _worker(self, request: web.Request) -> None:
        agent, outcomes, behaviour = written_worker(await request.text())
        self._livekit.workers.register(agent, *outcomes, **behaviour)

    async def _fault(self, request: web.Request) -> None:
        arm(self._livekit.faults, await request.text())
