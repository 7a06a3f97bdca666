"""How soon webhooks are answered that come together: `python -m bench.burst`. About half a minute.

A thousand rooms open within a second, and every event is sent once, signed, the replicas in turn. The first line is a
server that reads the body and says 200: what this machine and the sender themselves take. LiveKit is the fake one, in
the sender's process. What was recorded is read from the replicas' metrics: nothing twice, nothing lost.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import ClientSession, TCPConnector, web

from dispatcher.livekit.webhook import sign
from dispatcher.testing import FakeLiveKit
from tests.chaos.replicas import Replica, all_ready, settings
from tests.real.redis_servers import alone
from tests.real.server import KEY, SECRET

EVENTS: Final = 1_000
WITHIN_S: Final = 1.0
RECORDED: Final = 'livekit_dispatcher_webhooks_total{event="room_started",result="recorded"}'


def bodies() -> list[bytes]:
    """Each room's opening."""
    rooms = [{"sid": f"RM_{number}", "name": f"room-{number}"} for number in range(EVENTS)]
    events = [{"event": "room_started", "id": f"EV_{room['sid']}", "room": room} for room in rooms]
    return [json.dumps(event | {"createdAt": str(int(time.time()))}).encode() for event in events]


async def burst(urls: Sequence[str]) -> list[float]:
    """All events were sent, evenly over a second; how many ms each waited for its 200."""
    signed = [(body, sign(body, key=KEY, secret=SECRET, now=time.time_ns() // 1_000_000)) for body in bodies()]
    async with ClientSession(connector=TCPConnector(limit=0)) as http:

        async def send(number: int) -> float:
            body, token = signed[number]
            await asyncio.sleep(number * WITHIN_S / EVENTS)
            began = time.perf_counter()
            url = f"{urls[number % len(urls)]}/webhook"
            async with http.post(url, data=body, headers={"Authorization": token}) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            return (time.perf_counter() - began) * 1_000

        return await asyncio.gather(*(send(number) for number in range(EVENTS)))


@asynccontextmanager
async def bare() -> AsyncIterator[list[str]]:
    """Where a server listens that reads and says 200."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"result": "recorded"})

    app = web.Application()
    app.router.add_post("/webhook", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield [f"http://127.0.0.1:{runner.addresses[0][1]}"]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def replicas(folder: Path, number: int, *, redis: bool) -> AsyncIterator[list[str]]:
    """Where so many replicas listen, that share a Valkey or have a memory of their own."""
    async with AsyncExitStack() as stack:
        livekit = await stack.enter_async_context(FakeLiveKit(keys={KEY: SECRET}))
        url = stack.enter_context(alone(folder / "valkey")).url if redis else ""
        environment = settings(folder, livekit.url, url, sweep="60s")
        started = [Replica(folder, f"replica-{n}", environment) for n in range(number)]
        for replica in started:
            stack.callback(replica.stop)
        await all_ready(started)
        yield [replica.url for replica in started]
        recorded = [(await replica.series()).get(RECORDED, 0) for replica in started]
        assert sum(recorded) == EVENTS, recorded


async def main() -> None:
    """A line for each server."""
    print(f"{'':24}  median ms   p99 ms  slowest ms")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        served = {
            "aiohttp that says 200": bare(),
            "memory, 1 replica": replicas(folder / "memory", 1, redis=False),
            "Valkey, 1 replica": replicas(folder / "one", 1, redis=True),
            "Valkey, 3 replicas": replicas(folder / "three", 3, redis=True),
        }
        for name, server in served.items():
            async with server as urls:
                took = sorted(await burst(urls))
            print(f"{name:24}  {statistics.median(took):9.1f}{took[int(EVENTS * 0.99)]:9.1f}{took[-1]:12.1f}")


if __name__ == "__main__":
    asyncio.run(main())
