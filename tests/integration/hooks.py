"""A receiver of notices that behaves as receivers do: it takes them, dies, is slow, refuses, redirects, hangs up."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

from dispatcher.config import Secret
from dispatcher.config.receivers import signing_key
from tests.real.server import free_port
from tests.unit.notices.tell import SECRET

Behaviour: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Hooks:
    """What came, and what is answered from now on."""

    url: str
    behaviour: Behaviour
    came: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    taken: list[Any] = field(default_factory=list)  # the bodies that were answered with 200
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = await request.read()
        self.came.append((dict(request.headers), body))
        answer = await self.behaviour(request)
        if answer.status == 200:
            self.taken.append(json.loads(body))
            self.changed.set()
        return answer

    async def wait_taken(self, count: int, within: float = 10.0) -> list[Any]:
        """So many have been taken."""
        try:
            async with asyncio.timeout(within):
                while len(self.taken) < count:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise AssertionError(f"{len(self.taken)} of {count} taken; {len(self.came)} came: {self.taken}") from None
        return self.taken


async def takes(_request: web.Request) -> web.StreamResponse:
    """As it should be."""
    return web.json_response({})


async def refuses(_request: web.Request) -> web.StreamResponse:
    """An error of its own, and when to come again."""
    return web.Response(status=500, headers={"Retry-After": "7"})


async def hangs(_request: web.Request) -> web.StreamResponse:
    """It takes the request and answers nothing."""
    await asyncio.sleep(3_600)
    raise AssertionError


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """The connection ends before there is an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def ends_in_its_body(request: web.Request) -> web.StreamResponse:
    """It has answered 200, and the connection ends in the middle of what it says beside it."""
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b"{")
    assert request.transport is not None
    request.transport.abort()
    return answer


async def talks_for_ever(request: web.Request) -> web.StreamResponse:
    """It has answered 200, and goes on talking."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"blah " * 1_000)


def is_signed(headers: Mapping[str, str], body: bytes) -> bool:
    """As Standard Webhooks' own libraries verify it."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.digest(signing_key(Secret(SECRET)), signed, "sha256")).decode()
    return bool(headers["webhook-signature"] == f"v1,{digest}")


@asynccontextmanager
async def hooks(behaviour: Behaviour = takes, port: int = 0) -> AsyncIterator[Hooks]:
    """It listens at its URL."""
    port = port or free_port()
    receiver = Hooks(f"http://127.0.0.1:{port}/in", behaviour)
    app = web.Application()
    app.router.add_post("/in", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield receiver
    finally:
        await runner.cleanup()
