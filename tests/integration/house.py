"""The real service beside a fast fake LiveKit, in one process: what the stories of this folder are played in."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import aiohttp
from msgspec.structs import replace

from dispatcher.app import RecordTo, Service, running
from dispatcher.config import (
    Config,
    CreateRate,
    LauncherSettings,
    ProbeSettings,
    Project,
    Receiver,
    Secret,
    SweepSettings,
)
from dispatcher.core.facts import RoomSid
from dispatcher.core.rules import Policy, Rule, Target
from dispatcher.core.session import Session
from dispatcher.ledger import record
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import PREFIX
from dispatcher.testing import DEV_KEYS, FakeLiveKit, Timings

SPEED = 20.0
TOKEN = "an-operators-token"
ORDERS = Policy(targets=())  # of agents that are ordered by name
HASTE = Policy(targets=(), confirm_within=400, join_within=900, min_stay=0, retry_every=300)

PROBES = replace(HASTE, min_stay=300)


def rule(*agents: str, name: str = "default", go_on: bool = False, **policy: object) -> Rule:
    """A rule with these targets and short limits."""
    hasty = replace(HASTE, targets=tuple(Target(agent) for agent in agents), **policy)
    return Rule(name=name, policy=hasty, go_on=go_on)


@dataclass
class Ears:
    """Hears what is logged."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    said: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, line: str) -> None:
        self.lines.append(json.loads(line))
        self.said.set()


@dataclass
class House:
    """A running service, its LiveKit, and what the service has said."""

    livekit: FakeLiveKit
    service: Service
    ears: Ears

    @property
    def lines(self) -> list[dict[str, Any]]:
        return self.ears.lines

    def said(self, room: str) -> list[str]:
        """The actions logged of a room, in order."""
        return [line["action"] for line in self.lines if line.get("room") == room]

    async def told(self, action: str, within: float = 30.0, **fields: object) -> dict[str, Any]:
        """The first log line of this action and these fields, as soon as it has been written."""
        wanted = {"action": action, **fields}
        try:
            async with asyncio.timeout(within):
                while True:
                    for line in self.lines:
                        if wanted.items() <= line.items():
                            return line
                    self.ears.said.clear()
                    await self.ears.said.wait()
        except TimeoutError:
            raise AssertionError(f"{wanted} was not told, but {self.lines}; {self.livekit.describe()}") from None

    async def session(self, room: str) -> Session:
        """The newest life of the room, as the ledger has it."""
        life = (await self.service.ledger.find("default", room))[0]
        return record.load(life.record, room, RoomSid(life.key.sid))

    async def quiet(self, within: float = 30.0) -> None:
        """Nothing is owed, or being done, for any session."""
        async with asyncio.timeout(within):
            while (counts := await self.service.ledger.counts()).due or counts.held:
                await asyncio.sleep(0.005)

    async def idle(self, within: float = 30.0) -> None:
        """Nothing is being done, and nothing is to be done for half a second."""
        async with asyncio.timeout(within):
            while await self._busy():
                await asyncio.sleep(0.005)

    async def _busy(self) -> bool:
        ledger = self.service.ledger
        soon = await ledger.now() + 500
        lives = await ledger.list("default")
        return bool((await ledger.counts()).held) or any(
            life.due_at is not None and life.due_at < soon for life in lives
        )

    async def metrics(self) -> Mapping[str, float]:
        """The metrics as Prometheus sees them: series → value."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.service.admin_url}/metrics") as answer:
            text = await answer.text()
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {series: float(value) for series, value in samples}

    async def counted(self, name: str) -> Mapping[str, float]:
        """The series of one metric, without its prefix, that are not 0."""
        metrics = (await self.metrics()).items()
        return {series: value for series, value in metrics if series.startswith(f"{PREFIX}{name}{{") and value}


def config(
    url: str,
    *rules: Rule,
    sweep_every: int = 60_000,
    pace: CreateRate | None = None,
    token: str | None = TOKEN,
    probe: ProbeSettings | None = None,
) -> Config:
    """A configuration for one project at `url`."""
    keys = {key: Secret(secret) for key, secret in DEV_KEYS.items()}
    return Config(
        projects=(Project(name="default", url=url, keys=keys, limits=PROBES if probe else ORDERS, probe=probe),),
        rules=rules,
        instance="default",
        sweep=SweepSettings(every=sweep_every),
        create_rate=pace,
        host="127.0.0.1",
        port=0,
        ledger=None,
        api_token=Secret(token) if token else None,
        file=None,
        warnings=(),
    )


async def swept(*livekits: FakeLiveKit) -> None:
    """The first sweep has seen the rooms: it finds none of those that come now before their webhooks do."""
    for livekit in livekits:
        await livekit.wait_until(partial(_called, livekit))


def _called(livekit: FakeLiveKit) -> bool:
    return any(call.status for call in livekit.calls)


@asynccontextmanager
async def house(
    *rules: Rule,
    livekit: FakeLiveKit | None = None,
    sweep_every: int = 60_000,
    pace: CreateRate | None = None,
    dry_run: bool = False,
    token: str | None = TOKEN,
    record: RecordTo | None = None,
    receivers: tuple[Receiver, ...] = (),
    launchers: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    probe: ProbeSettings | None = None,
) -> AsyncIterator[House]:
    """The service runs, and LiveKit's webhooks go to it. A `livekit` that is given outlives the service.

    `launchers`: where those are asked that rules name.
    """
    async with AsyncExitStack() as stack:
        if livekit is None:
            livekit = await stack.enter_async_context(FakeLiveKit(timings=Timings(speed=SPEED)))
        settings = config(
            livekit.url,
            *(rules or (rule("greeter"),)),
            sweep_every=sweep_every,
            pace=pace,
            token=token,
            probe=probe,
        )
        settings = replace(settings, receivers=receivers, public_url="https://dispatcher.example.com")
        asked = (LauncherSettings(name=name, command=(), limit=0, urls=urls) for name, urls in launchers.items())
        settings = replace(settings, launchers=tuple(asked))
        ears = Ears()
        service = await stack.enter_async_context(
            running(settings, Log(ears.hear, time.time), version="test", dry_run=dry_run, record=record)
        )
        livekit.webhook_url = f"{service.url}/webhook"
        await swept(livekit)
        yield House(livekit, service, ears)
