"""Replicas on one Redis, a LiveKit whose webhooks they take, and people: all that can be harmed and counted."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dispatcher.testing import FakeLiveKit, Sent, Timings, WebhookOutcome
from tests.chaos.balancer import Balancer
from tests.chaos.crowd import Crowd
from tests.chaos.places import Open, Place
from tests.chaos.replicas import Replica, all_ready, settings
from tests.real.redis_servers import Make

NO_SWEEP: Final = "60m"  # but for the first one: what is made up for is made up for by the ledger alone
SWEEP: Final = "2s"  # where the ledger's content is lost
WATCHED_S: Final = 3_600.0  # no scene lasts as long
RECOVERY_S: Final = 45.0  # a lease is 10 s, an attempt is given up after 12 s


@dataclass(slots=True)
class Scene:
    """What a harm can lay hands on."""

    livekit: FakeLiveKit
    balancer: Balancer
    replicas: list[Replica]
    crowd: Crowd
    place: Place
    sweeps: bool
    recoveries: list[float] = field(default_factory=list)  # seconds from each harm's end

    def wrong(self, before: float = float("inf")) -> list[str]:
        """Rooms entered before this instant without exactly one agent; unswept, not those that nobody was told of."""
        wrong = self.crowd.wrong(before)
        if self.sweeps or not wrong:
            return wrong
        told = {one.room for one in self.balancer.accepted().values()}
        untold = {one.room for one in self.given_up()} - told
        return [room for room in wrong if room not in untold]

    def given_up(self) -> list[Sent]:
        """Webhooks that no replica has answered with 200, in all tries."""
        return [one for one in self.livekit.webhooks_sent if one.outcome is not WebhookOutcome.DELIVERED]

    async def recovered(self) -> None:
        """Every room that was entered until now is as it should be; how long that took is noted."""
        began = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(RECOVERY_S):
                while self.wrong(before=began):
                    await asyncio.sleep(0.02)
        self.recoveries.append(time.monotonic() - began)


@asynccontextmanager
async def staged(
    directory: Path,
    place: Open,
    make: Make,
    *,
    replicas: int = 3,
    sweep: str = NO_SWEEP,
    copies: int = 1,
    people: Callable[[FakeLiveKit], Crowd] = Crowd,
    releases: Sequence[str] = ("dispatcher",),
) -> AsyncIterator[Scene]:
    """So many replicas, of these releases in turn, are ready, and every webhook goes to `copies` of them."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(place(directory, make))
        livekit = await stack.enter_async_context(FakeLiveKit(timings=Timings(departure_timeout=2)))
        livekit.workers.register("greeter", accept_after=0.05, join_after=0.05)
        environment = settings(directory, livekit.url, here.url, sweep=sweep)
        modules = [releases[n % len(releases)] for n in range(replicas)]
        started = [Replica(directory, f"replica-{n}", environment, module) for n, module in enumerate(modules)]
        for replica in started:
            stack.callback(replica.stop)
        await all_ready(started)
        balancer = await stack.enter_async_context(Balancer([one.url for one in started], copies=copies))
        livekit.webhook_url = balancer.url
        crowd = people(livekit)
        watch = asyncio.create_task(crowd.watch(WATCHED_S))
        stack.callback(watch.cancel)
        scene = Scene(livekit, balancer, started, crowd, here, sweeps=sweep != NO_SWEEP)
        yield scene
        livekit.webhook_url = None
