"""Two installations on one Redis, as processes: neither takes the other's rooms for its own, by whatever name."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dispatcher.testing import FakeLiveKit, Timings
from tests.chaos.replicas import Replica, all_ready, settings
from tests.real.redis_servers import Redis, alone, valkey

ROOMS = 30
LOST_EACH = 3  # one webhook in so many is lost, and every other of its room
SWEEP_S = 3
HEALED_S = SWEEP_S + 2.0  # an interval, and the asking
QUIET_S = 3 * SWEEP_S


@dataclass
class Installation:
    """One LiveKit, the processes that see to it, and when its rooms were opened that nobody was told of."""

    livekit: FakeLiveKit
    replicas: list[Replica]
    lost: dict[str, float] = field(default_factory=dict)
    healed: dict[str, float] = field(default_factory=dict)  # seconds

    @property
    def webhooks(self) -> str:
        return f"{self.replicas[0].url}/webhook"

    async def join(self, room: str, *, lost: bool) -> None:
        """Somebody is in the room; LiveKit's webhooks of it arrive, or never do."""
        self.livekit.webhook_url = None if lost else self.webhooks
        await self.livekit.rooms.join(room, "alice")
        if lost:
            self.lost[room] = time.monotonic()
        self.livekit.webhook_url = self.webhooks

    def note(self) -> bool:
        """Whether every room that nobody was told of has its agent; how long that took is noted."""
        for room, since in self.lost.items():
            if room not in self.healed and self.livekit.rooms.agents_in(room):
                self.healed[room] = time.monotonic() - since
        return len(self.healed) == len(self.lost)

    def served(self) -> bool:
        """Whether each of ROOMS rooms has exactly one agent."""
        return [len(self.livekit.rooms.agents_in(room)) for room in self.livekit.rooms.names()] == [1] * ROOMS

    def said(self) -> set[str]:
        """The actions that its processes have logged."""
        return {line["action"] for replica in self.replicas for line in replica.said()}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Valkey that both use."""
    with alone(tmp_path / "redis", make=valkey()) as server:
        yield server


@asynccontextmanager
async def working(
    directory: Path, redis: Redis, instance: str, *, replicas: int = 1, options: Sequence[str] = ()
) -> AsyncIterator[Installation]:
    """The installation's processes have started, ready or not."""
    async with FakeLiveKit(timings=Timings(departure_timeout=2)) as livekit:
        for _ in range(4):
            livekit.workers.register("greeter", accept_after=0.05, join_after=0.05)
        environment = settings(directory, livekit.url, redis.url, sweep=f"{SWEEP_S}s", instance=instance)
        with ExitStack() as stack:
            here = [Replica(directory, f"replica-{n}", environment, options=options) for n in range(replicas)]
            for replica in here:
                stack.callback(replica.stop)
            yield Installation(livekit, here)
            livekit.webhook_url = None


@pytest.mark.real
async def test_two_installations_on_one_redis_leave_each_others_rooms_alone(tmp_path: Path, redis: Redis) -> None:
    """Rooms of the same names, 30 each: none is declared over, and lost webhooks are made up for in one interval."""
    async with (
        working(tmp_path / "blue", redis, "blue", replicas=2) as blue,
        working(tmp_path / "green", redis, "green", replicas=2) as green,
    ):
        both = (blue, green)
        await all_ready([*blue.replicas, *green.replicas])
        for number in range(ROOMS):
            for one in both:
                await one.join(f"room-{number}", lost=number % LOST_EACH == 0)
            await asyncio.sleep(0.1)
        await asyncio.gather(*(one.livekit.wait_until(one.note, within=3 * HEALED_S) for one in both))
        await asyncio.gather(*(one.livekit.wait_until(one.served, within=HEALED_S) for one in both))
        await asyncio.sleep(QUIET_S)  # sweeps that could find what is not theirs

        assert all(one.served() for one in both)
        assert max(seconds for one in both for seconds in one.healed.values()) < HEALED_S
        for one in both:
            assert one.said() & {"room.finished", "room.unlisted", "lease.lost", "drive.failed"} == set()


@pytest.mark.real
async def test_the_second_of_one_name_is_refused_until_it_takes_over(tmp_path: Path, redis: Redis) -> None:
    """It serves nobody, harms nobody and says why; the process that is to take over does, and the first is refused."""
    async with working(tmp_path / "first", redis, "default") as first:
        await all_ready(first.replicas)
        async with working(tmp_path / "second", redis, "default") as second:
            await second.replicas[0].says("ledger.taken")
            for number in range(ROOMS):
                await first.join(f"room-{number}", lost=False)
            await first.livekit.wait_until(first.served, within=HEALED_S)
            assert first.said() & {"room.finished", "room.unlisted", "ledger.taken"} == set()
        async with working(tmp_path / "third", redis, "default", options=["--take-over"]) as third:
            await all_ready(third.replicas)
            await third.join("lobby", lost=False)
            await third.livekit.wait_until(lambda: len(third.livekit.rooms.agents_in("lobby")) == 1)
            await first.replicas[0].says("ledger.taken")
            assert "ledger.taken" not in third.said()
        assert first.served()
