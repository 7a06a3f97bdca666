"""A service of its own that is filled, and watched from inside: `python -m bench.growth.inside '{...}'` writes JSON.

What is told of its event loop is by a heartbeat (bench.heartbeat), as in bench.field.
"""

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

import msgspec
from aiohttp import ClientSession
from msgspec import Struct
from redis import Redis

from bench import heartbeat
from bench.rooms import fill
from bench.rules import NUMBERS, file
from dispatcher.app import Service, running
from dispatcher.config import Source
from dispatcher.engine.sweep import Sweep
from dispatcher.telemetry.logs import Log
from tests.real.server import KEY, SECRET, free_port

SWEEPS: Final = 3
RELOADS: Final = 3
PAUSE_S: Final = 1.0  # of a sweep between two looks; it has time for one
HEAD: Final = "api_tokens: []\nsweep: {every: 1s, looks_per_second: 1}\n"


class Asked(Struct):
    """How it is filled."""

    sessions: int = 0
    rules: int = 1
    redis: str = ""


class Found(Struct):
    """What was seen; spans in seconds, pauses in ms."""

    rss_mb: float
    rss_each: float  # bytes of the process for each session
    redis_each: float  # and of Redis
    record: int  # bytes
    sweep: float  # without the one look that it has time for
    sweep_pause: float
    reload: float
    reload_pause: float


class Watch:
    """The heartbeat's file, and what the log has told."""

    def __init__(self, beats: Path) -> None:
        self.beats = beats
        self.reloaded = asyncio.Event()

    def hear(self, line: str) -> None:
        """A line of the log."""
        if '"config.reloaded"' in line:
            self.reloaded.set()

    def longest(self, since: float) -> float:
        """Ms."""
        return heartbeat.longest(self.beats, since)


async def watched(asked: Asked, folder: Path, found: list[Found]) -> None:
    """One service, filled, swept and told to reload."""
    watch, rules = Watch(folder / "beats"), file(folder, "rules", NUMBERS, asked.rules)
    rules.write_text(HEAD + rules.read_text())
    async with many_rooms() as livekit, serving(asked, rules, livekit, watch) as service:
        rss, redis = resident(), used(asked.redis)
        record = await fill(service.ledger, asked.sessions) if asked.sessions else 0
        gc.collect()
        gc.freeze()
        grown, stored, each = resident() - rss, used(asked.redis) - redis, max(1, asked.sessions)
        with timed() as sweeps:
            sweep, sweep_pause = await swept(livekit, asked.sessions, sweeps, watch)
        reload, reload_pause = await reloaded(service, rules, watch)
        mb = resident() / 2**20
        found.append(Found(mb, grown / each, stored / each, record, sweep, sweep_pause, reload, reload_pause))


async def swept(livekit: str, sessions: int, sweeps: asyncio.Queue[float], watch: Watch) -> tuple[float, float]:
    """LiveKit has these rooms; seconds of a sweep that has found them, and the longest pause meanwhile in ms."""
    async with ClientSession() as http, http.put(f"{livekit}/rooms/{sessions}") as answer:
        assert answer.status == 200
    async with asyncio.timeout(120):
        for _ in range(1 + sweeps.qsize()):  # one may have begun before
            await sweeps.get()
        began = time.monotonic()
        took = [await sweeps.get() for _ in range(SWEEPS)]
    return max(0.0, min(took) - PAUSE_S), watch.longest(began)


async def reloaded(service: Service, rules: Path, watch: Watch) -> tuple[float, float]:
    """Seconds until a changed file is in force, and the longest pause meanwhile in ms: the least of some, each."""
    found = []
    for _ in range(RELOADS):
        watch.reloaded.clear()
        changed(rules)
        began = time.monotonic()
        service.reload()
        await asyncio.wait_for(watch.reloaded.wait(), 60)
        took = time.monotonic() - began
        await asyncio.sleep(2 * heartbeat.BEAT_S)
        found.append((took, watch.longest(began)))
    return min(took for took, _ in found), min(pause for _, pause in found)


@asynccontextmanager
async def serving(asked: Asked, rules: Path, livekit: str, watch: Watch) -> AsyncIterator[Service]:
    """It answers."""
    environ = {"LIVEKIT_URL": livekit, "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET, "REDIS_URL": asked.redis}
    source = Source(rules, {**environ, "DISPATCHER_HOST": "127.0.0.1", "DISPATCHER_PORT": str(free_port())})
    async with running(source.read(), Log(watch.hear, time.time), version="bench", source=source) as service:
        await asyncio.sleep(1)
        gc.collect()
        gc.freeze()  # as `dispatcher serve` does
        yield service


@asynccontextmanager
async def many_rooms() -> AsyncIterator[str]:
    """Where that LiveKit is."""
    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-m", "bench.growth.many_rooms")
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.stdin.close()
        await process.wait()


@contextmanager
def timed() -> Iterator[asyncio.Queue[float]]:
    """The seconds of each sweep that ends meanwhile."""
    took: asyncio.Queue[float] = asyncio.Queue()
    sweep = Sweep.sweep

    async def one(self: Sweep, project: str) -> None:
        began = time.monotonic()
        await sweep(self, project)
        took.put_nowait(time.monotonic() - began)

    with patch.object(Sweep, "sweep", one):
        yield took


def changed(file: Path) -> None:
    """It says the same in other words."""
    file.write_text(file.read_text() + "# and no more\n")


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def used(url: str) -> int:
    """Bytes that Redis uses; 0: there is none."""
    if not url:
        return 0
    with Redis.from_url(url) as client:
        return int(client.info("memory")["used_memory"])


def main(asked: Asked) -> Found:
    """What was found."""
    found: list[Found] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        asyncio.run(heartbeat.beating(watched(asked, folder, found), folder / "beats"))
    return found[0]


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(main(msgspec.json.decode(sys.argv[1], type=Asked))))
