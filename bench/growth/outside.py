"""Real processes of the service, started in some shape, left alone, and given rooms as bench.field gives them."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench.crowd import cpu
from bench.field.contenders import EVERYSEC, LOAD_CORE, SERVER_CORE, like_others
from bench.field.livekit import LiveKit
from bench.field.load import KEY, METADATA, SECRET, Load
from bench.field.rows import Row
from bench.field.wire import Server
from tests.chaos.replicas import Replica, all_ready, settings
from tests.real.redis_servers import alone

RATE: Final = 30.0  # rooms a second
SECONDS: Final = 6.0
WARM_UP: Final = 100  # rooms
CORES: Final = (SERVER_CORE, LOAD_CORE)


class Shape(NamedTuple):
    """How it is set up."""

    replicas: int = 1
    projects: int = 1
    valkey: bool = False
    metadata: str = METADATA  # of each room


class House(NamedTuple):
    """It runs."""

    replicas: Sequence[Replica]
    load: Load
    ready: float  # seconds after its start

    def cpu(self) -> float:
        """Seconds, of all together."""
        return sum(cpu(one.process.pid) for one in self.replicas)

    def memory(self) -> int:
        """MB, of the largest."""
        return max(one.memory() for one in self.replicas) // 1024

    async def idle(self, seconds: float) -> float:
        """The share of a core that all together take while nothing comes."""
        before = self.cpu()
        await asyncio.sleep(seconds)
        return (self.cpu() - before) / seconds

    async def rooms(self) -> Row:
        """What RATE rooms a second cost, once it is warm."""
        await self.load.run(WARM_UP / 2, WARM_UP)
        before, rooms = self.cpu(), int(RATE * SECONDS)
        figures = await self.load.run(RATE, rooms)
        return Row.of("livekit-dispatcher", RATE, self.cpu() - before, self.memory(), figures)


@asynccontextmanager
async def running(folder: Path, shape: Shape) -> AsyncIterator[House]:
    """Every replica is ready, each on the next core; whoever measures shares the last one with Valkey."""
    loads: list[Load] = []

    def connected() -> Server:
        """Of the LiveKit whose rooms there are; it is there once the replicas are."""
        return loads[0].livekit.connected()

    async with AsyncExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, {LOAD_CORE})
        empty = LiveKit(lambda _visit, _agent: None)
        urls = [await served(stack, connected)]
        urls += [await served(stack, empty.connected) for _ in range(shape.projects - 1)]
        redis = stack.enter_context(alone(folder / "valkey", *EVERYSEC)).url if shape.valkey else ""
        environment = configured(folder, urls, redis)
        began, replicas = time.monotonic(), []
        for number in range(shape.replicas):
            replicas.append(Replica(folder, f"replica-{number}", environment))
            stack.callback(replicas[-1].stop)
            os.sched_setaffinity(replicas[-1].process.pid, {CORES[number % len(CORES)]})
        loads.append(Load(*(one.port for one in replicas), metadata=shape.metadata))
        await all_ready(replicas)
        yield House(replicas, loads[0], time.monotonic() - began)


async def served(stack: AsyncExitStack, connected: Callable[[], asyncio.Protocol]) -> str:
    """Where a LiveKit is."""
    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    stack.callback(server.close)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def configured(folder: Path, urls: Sequence[str], redis: str) -> dict[str, str]:
    """The environment of a replica, with a project for each LiveKit."""
    environment = settings(folder, urls[0], redis, sweep="30s")
    file = Path(environment["DISPATCHER_CONFIG"])
    like_others(file)
    if len(urls) == 1:
        return environment | {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
    projects = [
        {"name": f"project-{number}", "url": url, "keys": {f"{KEY}-{number}" if number else KEY: SECRET}}
        for number, url in enumerate(urls)
    ]
    file.write_text(json.dumps(json.loads(file.read_text()) | {"projects": projects}))
    return {name: value for name, value in environment.items() if not name.startswith("LIVEKIT_")}
