"""Law 9, around every call: a replica is killed before and after each call of a join, and one more goes on."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from dispatcher.app import running
from dispatcher.config import Config, LedgerAt
from dispatcher.core.rules import Policy, Rule, Target
from dispatcher.core.session import State
from dispatcher.ledger.interface import Counts
from dispatcher.ledger.redis import address
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, Timings
from tests.chaos.audit import opened
from tests.chaos.balancer import Balancer
from tests.chaos.crowd import Crowd
from tests.chaos.replicas import Replica, settings
from tests.chaos.scene import NO_SWEEP
from tests.integration.house import config
from tests.real.redis_servers import NO_DATA, Make, alone

AT_ONCE: Final = 5  # processes that start side by side
DEATH_S: Final = 10.0
GOES_ON_S: Final = 60.0  # a lease of 10 s, an attempt given up after 12 s, another one; on a busy machine
DATABASES: Final = 100
QUIET_S: Final = 1.5  # a join's calls are over in a fraction of it


class Death(NamedTuple):
    """A replica killed beside one of its calls. `wrong` says what became of the room, nothing when all is well."""

    at: str
    call: str
    recovery: float  # seconds from the death until the next replica has the room as it should be
    wrong: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A replica that takes one LiveKit's webhooks, and its ledger."""

    livekit: FakeLiveKit
    replica: Replica
    urls: list[str]  # whom webhooks go to
    balancer: Balancer
    crowd: Crowd
    redis: str


@asynccontextmanager
async def staged(directory: Path, redis: str, dies_at: str) -> AsyncIterator[Stage]:
    """The replica is ready; it dies where it is told to."""
    async with AsyncExitStack() as stack:
        livekit = await stack.enter_async_context(FakeLiveKit(timings=Timings(departure_timeout=2)))
        livekit.workers.register("greeter", accept_after=0.05, join_after=0.05)
        environment = settings(directory, livekit.url, redis, sweep=NO_SWEEP)
        replica = Replica(directory, "dying", {**environment, "DIES_AT": dies_at}, "tests.chaos.dying")
        stack.callback(replica.stop)
        await replica.ready()
        urls = [replica.url]
        balancer = await stack.enter_async_context(Balancer(urls))
        livekit.webhook_url = balancer.url
        yield Stage(livekit=livekit, replica=replica, urls=urls, balancer=balancer, crowd=Crowd(livekit), redis=redis)


async def join(stage: Stage) -> None:
    """Somebody is in a room, and nothing is said to the contrary by who watches it for surplus agents."""
    await stage.livekit.rooms.join("room-0", "alice")
    stage.crowd.rooms["room-0"] = time.monotonic()


def calls(stage: Stage) -> list[str]:
    """The replica's calls so far."""
    return re.findall(r"^call \d+ (\w+)$", stage.replica.process.output(), re.MULTILINE)


async def calls_of_a_join(directory: Path, redis: str) -> list[str]:
    """What a replica calls, from the first webhook of a join until its agent is served."""
    async with staged(directory, redis, "") as stage:
        await join(stage)
        await stage.livekit.wait_until(lambda: stage.livekit.rooms.agents_in("room-0"))
        made: list[str] = []
        while made != (made := calls(stage)):
            await asyncio.sleep(QUIET_S)
        return made


def successor(stage: Stage) -> Config:
    """One more replica's configuration, with the same rule; in this process."""
    everyone = Rule(name="everyone", policy=Policy(targets=(Target("greeter"),)))
    return replace(
        config(stage.livekit.url, everyone, sweep_every=3_600_000), ledger=LedgerAt("redis", address.read(stage.redis))
    )


async def around_every_call(directory: Path, make: Make) -> list[Death]:
    """A join's calls, each with a death before and after it: each in a LiveKit and a database of its own."""
    with alone(directory / "redis", *NO_DATA, "--databases", str(DATABASES), make=make) as redis:
        made = await calls_of_a_join(directory / "calls", f"{redis.url}/{DATABASES - 1}")
        places = [(f"{when} {number}", call) for number, call in enumerate(made) for when in ("before", "after")]
        room = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, at: str, call: str) -> Death:
            async with room:
                return await killed(directory / str(number), f"{redis.url}/{number}", at, call)

        return await asyncio.gather(*(one(number, *place) for number, place in enumerate(places)))


async def killed(directory: Path, redis: str, at: str, call: str) -> Death:
    """The replica died there, and one more was started."""
    async with staged(directory, redis, at) as stage:
        watch = asyncio.create_task(stage.crowd.watch(GOES_ON_S * 2))
        await join(stage)
        try:
            await died(stage.replica)
            began = time.monotonic()
            async with running(successor(stage), Log(lambda _: None, time.time), version="test") as service:
                stage.urls.append(service.url)
                await served(stage)
        except TimeoutError as error:
            return Death(at, call, GOES_ON_S, f"not served {error}: {stage.livekit.describe()}")
        finally:
            watch.cancel()
        twice = stage.crowd.twice or stage.crowd.asked_twice()
        wrong = f"two agents, or one asked for twice: {stage.livekit.describe()}" if twice else ""
        return Death(at, call, time.monotonic() - began, wrong)


async def died(replica: Replica) -> None:
    """The replica is no more."""
    end = time.monotonic() + DEATH_S
    while replica.process.running:
        if time.monotonic() > end:
            raise TimeoutError("it lives")
        await asyncio.sleep(0.02)


async def served(stage: Stage) -> None:
    """The room has one agent, and the ledger says so and owes nothing."""
    at_rest = Counts(due=0, held=0, rest=1)
    async with opened(stage.redis) as ledger, asyncio.timeout(GOES_ON_S):
        while not (
            stage.crowd.agents("room-0") == 1
            and await ledger.list("default", State.SERVED)
            and await ledger.counts() == at_rest
        ):
            await asyncio.sleep(0.05)
