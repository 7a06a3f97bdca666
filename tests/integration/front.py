"""A server over a scripted intake, and requests as LiveKit makes them: what the tests of the HTTP side stand on."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

from aiohttp import web
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry

from dispatcher.core.events import Event, Ms
from dispatcher.intake import Heard
from dispatcher.logs import Log
from dispatcher.metrics import Metrics
from dispatcher.server import Receive, build
from dispatcher.webhook import ApiKey, Received, Unreadable, receive, sign

SECRET = "devsecret-devsecret-devsecret-devsecret"
KEYS = {"devkey": ApiKey("default", SECRET)}
NOW: Ms = 1_795_251_780_000  # two seconds after the event below
JOIN = {
    "event": "participant_joined",
    "id": "EV_1",
    "createdAt": "1795251778",
    "room": {"sid": "RM_1", "name": "lobby"},
    "participant": {"sid": "PA_1", "identity": "alice"},
}

Client: TypeAlias = "TestClient[web.Request, web.Application]"
Connect: TypeAlias = Callable[[web.Application], Awaitable[Client]]
Hear: TypeAlias = Callable[[Event], Awaitable[Heard]]


class World:
    """What the server stands on: an intake that does as told, and what was logged and counted."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Event]] = []
        self.lines: list[str] = []
        self.registry = CollectorRegistry()
        self.now = NOW
        self.not_ready: str | None = None
        self.receive: Receive = lambda body, authorization, now: receive(body, authorization, KEYS, now)
        self.hear_as: Hear = partial(answering, Heard.RECORDED)

    def take(self, body: bytes, authorization: str | None, now: Ms) -> Received | Unreadable:
        """The verification."""
        return self.receive(body, authorization, now)

    async def hear(self, project: str, event: Event) -> Heard:
        """The intake."""
        self.heard.append((project, event))
        return await self.hear_as(event)

    def app(self, body_within: float = 5.0) -> web.Application:
        """The application over this world."""
        return build(
            receive=self.take,
            intake=self,
            ready=lambda: self.not_ready,
            metrics=Metrics(self.registry),
            log=Log(self.lines.append, lambda: NOW / 1000),
            clock=lambda: self.now,
            body_within=body_within,
        )

    def count(self, event: str, result: str) -> float | None:
        """Requests counted under these labels."""
        return self.registry.get_sample_value("dispatcher_webhooks_total", {"event": event, "result": result})

    def value(self, name: str, **labels: str) -> float | None:
        """A sample."""
        return self.registry.get_sample_value(f"dispatcher_{name}", labels)

    def logged(self) -> list[dict[str, Any]]:
        """Every line."""
        return [json.loads(line) for line in self.lines]


async def answering(heard: Heard, _event: Event) -> Heard:
    """An intake that says so."""
    return heard


async def failing(error: Exception, _event: Event) -> Heard:
    """An intake that fails so."""
    raise error


def body_of(**changes: object) -> bytes:
    """A webhook's body."""
    return json.dumps({**JOIN, **changes}).encode()


def signed(body: bytes, **headers: str) -> dict[str, str]:
    """Headers as LiveKit sends them with the body."""
    return {"Authorization": sign(body, key="devkey", secret=SECRET, now=NOW), **headers}


async def wait_until(claim: Callable[[], bool]) -> None:
    """It becomes true, soon."""
    async with asyncio.timeout(5):
        while not claim():
            await asyncio.sleep(0)


async def post(client: Client, body: bytes) -> int:
    """The status of the answer to a signed body."""
    async with client.post("/webhook", data=body, headers=signed(body)) as answer:
        return answer.status
