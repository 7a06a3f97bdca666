"""A server over a scripted intake, and requests as LiveKit makes them: what the tests of the HTTP side stand on."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

from aiohttp import ClientSession, web
from msgspec import convert
from prometheus_client import CollectorRegistry

from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.engine.intake import IntakeResult
from dispatcher.http.bodies import Bodies
from dispatcher.http.connection import ConnectionLimits
from dispatcher.http.listener import listening
from dispatcher.http.server import applications
from dispatcher.http.webhook import Verify, WebhookEndpoint
from dispatcher.livekit.webhook import ApiKey, Signed, sign, verify
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics

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

Hear: TypeAlias = Callable[[Event], Awaitable[IntakeResult]]


class World:
    """What the server stands on: an intake that does as told, and what was logged and counted."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Event]] = []
        self.lines: list[str] = []
        self.registry = CollectorRegistry()
        self.now = NOW
        self.not_ready: str | None = None
        self.metrics = Metrics(self.registry)
        self.log = Log(self.lines.append, lambda: NOW / 1000)
        self.health = Health(lambda: self.now)
        self.verify_as: Verify = lambda authorization, now: verify(authorization, KEYS, now)
        self.hear_as: Hear = partial(answering, IntakeResult.RECORDED)

    def verify(self, authorization: str | None, now: Ms) -> Signed:
        """The verification."""
        return self.verify_as(authorization, now)

    async def accept(self, project: str, event: Event) -> IntakeResult:
        """The intake."""
        self.heard.append((project, event))
        return await self.hear_as(event)

    def app(self, bodies: Bodies | None = None) -> web.Application:
        """The application over this world."""
        webhooks = WebhookEndpoint(
            verify=self.verify,
            intake=self,
            metrics=self.metrics,
            log=self.log,
            health=self.health,
            clock=lambda: self.now,
            bodies=bodies or Bodies(),
        )
        return applications(webhooks, ready=lambda: self.not_ready).webhook

    def count(self, event: str, result: str) -> float | None:
        """Requests counted under these labels."""
        return self.registry.get_sample_value("livekit_dispatcher_webhooks_total", {"event": event, "result": result})

    def value(self, name: str, **labels: str) -> float | None:
        """A sample."""
        return self.registry.get_sample_value(f"livekit_dispatcher_{name}", labels)

    def logged(self) -> list[dict[str, Any]]:
        """Every line."""
        return [json.loads(line) for line in self.lines]


class Client:
    """Asks one server, over as many connections as it takes."""

    def __init__(self, http: ClientSession, host: str, port: int) -> None:
        self.get, self.post, self.request = http.get, http.post, http.request
        self.host = host
        self.port = port


@asynccontextmanager
async def served(world: World, bodies: Bodies | None = None, **limits: float) -> AsyncIterator[Client]:
    """A server over this world, and who asks it."""
    bounds = convert(limits, ConnectionLimits)
    serving = listening(world.app(bodies), "127.0.0.1", 0, metrics=world.metrics, log=world.log, limits=bounds)
    async with serving as (host, port), ClientSession(f"http://{host}:{port}") as http:
        yield Client(http, host, port)


async def answering(heard: IntakeResult, _event: Event) -> IntakeResult:
    """An intake that says so."""
    return heard


async def failing(error: Exception, _event: Event) -> IntakeResult:
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
