"""`dispatcher serve` as a process of its own whose standard output is whatever a test makes it, and its LiveKit."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from dispatcher.livekit.webhook import sign
from dispatcher.testing import DEV_KEYS, FakeLiveKit
from tests.real.server import free_port

KEY, SECRET = next(iter(DEV_KEYS.items()))
START_S: Final = 30.0  # a second alone; several on a busy machine
SOON_S: Final = 10.0
SERVE: Final = (sys.executable, "-m", "dispatcher", "serve", "--log", "json")


class RunningService:
    """The process, asked over HTTP."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, http: aiohttp.ClientSession) -> None:
        self.process = process
        self.url = url
        self.http = http

    async def status(self, path: str) -> int:
        """How it answers; 0: it does not."""
        try:
            async with self.http.get(self.url + path) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def ready(self) -> None:
        """It takes webhooks."""
        async with asyncio.timeout(START_S):
            while await self.status("/readyz") != 200:
                assert self.process.returncode is None, f"it ended with {self.process.returncode}"
                await asyncio.sleep(0.02)

    async def post(self, body: bytes, *, signed: bool = True) -> int:
        """The status of the answer to a webhook."""
        token = sign(body, key=KEY, secret=SECRET, now=time.time_ns() // 1_000_000)
        headers = {"Authorization": token} if signed else {}
        async with self.http.post(f"{self.url}/webhook", data=body, headers=headers) as answer:
            return answer.status

    async def lines_dropped(self) -> int:
        """As the metrics have it."""
        async with self.http.get(f"{self.url}/metrics") as answer:
            samples = [line for line in (await answer.text()).splitlines() if "log_lines_dropped_total" in line]
        return int(float(samples[-1].rsplit(" ", 1)[1]))

    async def drops(self, at_least: int) -> int:
        """How many lines are lost by now, as soon as there are so many."""
        async with asyncio.timeout(SOON_S):
            while (dropped := await self.lines_dropped()) < at_least:
                await asyncio.sleep(0.01)
        return dropped

    async def gives_an_agent(self, livekit: FakeLiveKit, room: str) -> None:
        """A person who joins a room of this name has one agent, and soon."""
        livekit.webhook_url = f"{self.url}/webhook"
        await livekit.rooms.join(room, "alice")
        await livekit.wait_until(lambda: livekit.rooms.agents_in(room), within=SOON_S)
        assert len(livekit.rooms.agents_in(room)) == 1

    async def ended(self, within: float = SOON_S) -> int:
        """Its exit code, as soon as it has ended."""
        async with asyncio.timeout(within):
            return await self.process.wait()


@asynccontextmanager
async def running_service(
    livekit: FakeLiveKit, folder: Path, stdout: int, *, command: Sequence[str] = SERVE
) -> AsyncIterator[RunningService]:
    """It has been started, with everything that it needs; at the end it is gone, however."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "DISPATCHER_", "REDIS_"))
    }
    port = free_port()
    ours = {"LIVEKIT_URL": livekit.url, "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
    ours |= {"DISPATCHER_AGENT": "greeter", "DISPATCHER_HOST": "127.0.0.1", "DISPATCHER_PORT": str(port)}
    with (folder / "stderr").open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env={**kept, **ours}, stdout=stdout, stderr=stderr
        )
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SOON_S)) as http:
            yield RunningService(process, f"http://127.0.0.1:{port}", http)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def true_soon(claim: Callable[[], bool], within: float = SOON_S) -> None:
    """It becomes true: files and processes do not say when they change."""
    async with asyncio.timeout(within):
        while not claim():
            await asyncio.sleep(0.005)


def lines_of(text: str) -> list[dict[str, Any]]:
    """The lines, read; those that are not whole are left out."""
    read = []
    for line in text.splitlines():
        try:
            read.append(json.loads(line))
        except ValueError:
            continue
    return read
