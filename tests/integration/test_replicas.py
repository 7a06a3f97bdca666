"""Several replicas on one Redis, and one whose Redis is away: nothing twice, nothing lost, and said in time."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from dispatcher.app import Service, running
from dispatcher.config import LedgerAt
from dispatcher.ledger.interface import Counts
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.connections import CONNECTIONS
from dispatcher.livekit.webhook import sign
from dispatcher.telemetry.logs import Log
from dispatcher.testing import DEV_KEYS, FakeLiveKit, Timings
from tests.integration.house import SPEED, TOKEN, Ears, config, rule
from tests.real.child import Child
from tests.real.server import free_port
from tests.real.valkey import Valkey, running_valkey

ANSWERED_WITHIN = 3.0
RECOVERED_WITHIN = 3.0  # a claim that hangs, its pause, and the next one


@pytest.fixture
async def livekit() -> AsyncIterator[FakeLiveKit]:
    """A LiveKit that both replicas work for."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as fake:
        yield fake


@asynccontextmanager
async def replica(livekit: FakeLiveKit, redis_url: str) -> AsyncIterator[tuple[Service, Ears]]:
    """One more service on this Redis, ready or not."""
    ears = Ears()
    settings = replace(config(livekit.url, rule("greeter")), ledger=LedgerAt("redis", address.read(redis_url)))
    async with running(settings, Log(ears.hear, time.time), version="test") as service:
        yield service, ears


@asynccontextmanager
async def everywhere(*services: Service) -> AsyncIterator[str]:
    """A URL whose webhooks every service gets, all at once; the answer is the worst of theirs."""
    async with aiohttp.ClientSession() as http:

        async def pass_on(request: web.Request) -> web.Response:
            body, headers = await request.read(), {"Authorization": request.headers["Authorization"]}
            urls = [f"{service.url}/webhook" for service in services]
            answers = await asyncio.gather(*(http.post(url, data=body, headers=headers) for url in urls))
            return web.Response(status=max(answer.status for answer in answers))

        app = web.Application()
        app.router.add_post("/webhook", pass_on)
        async with TestServer(app) as server:
            yield str(server.make_url("/webhook"))


async def ready(url: str) -> Any:  # noqa: ANN401 - JSON
    """What /readyz says; not even that while nobody listens."""
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
            return await answer.json()
    except aiohttp.ClientConnectionError:
        return {"ready": False}


async def wait_ready(url: str, within: float = RECOVERED_WITHIN) -> None:
    """The service says that it is."""
    async with asyncio.timeout(within):
        while not (await ready(url))["ready"]:
            await asyncio.sleep(0.02)


async def wait_unready(url: str, reason: str, within: float = RECOVERED_WITHIN) -> None:
    """The service says that it is not, and why."""
    async with asyncio.timeout(within):
        while await ready(url) != {"ready": False, "reason": reason}:
            await asyncio.sleep(0.02)


async def join(http: aiohttp.ClientSession, url: str, event_id: str) -> tuple[int, str | None, float]:
    """A webhook of somebody's joining: its status, its `Retry-After`, and the seconds to the answer."""
    room = {"sid": "RM_1", "name": "lobby"}
    alice = {"sid": "PA_1", "identity": "alice", "state": "ACTIVE"}
    event = {"event": "participant_joined", "id": event_id, "createdAt": str(int(time.time()))}
    body = json.dumps({**event, "room": room, "participant": alice}).encode()
    key, secret = next(iter(DEV_KEYS.items()))
    headers = {"Authorization": sign(body, key=key, secret=secret, now=int(time.time() * 1000))}
    began = time.monotonic()
    async with http.post(f"{url}/webhook", data=body, headers=headers) as answer:
        return answer.status, answer.headers.get("Retry-After"), time.monotonic() - began


async def test_i1_i2_two_replicas_with_the_same_events_ask_once(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """Every webhook reaches both at the same instant: one drives, one agent comes, nothing is owed."""
    livekit.workers.register("greeter")
    with running_valkey(tmp_path) as valkey:
        async with replica(livekit, valkey.url) as (one, _), replica(livekit, valkey.url) as (two, _):
            await asyncio.gather(wait_ready(one.url), wait_ready(two.url))
            async with everywhere(one, two) as url:
                livekit.webhook_url = url
                rooms = [f"room-{n}" for n in range(10)]
                await asyncio.gather(*(livekit.rooms.join(room, "alice") for room in rooms))
                await livekit.wait_until(lambda: all(livekit.rooms.agents_in(room) for room in rooms), within=10)
                async with asyncio.timeout(5):
                    while await two.ledger.counts() != Counts(due=0, held=0, rest=10):
                        await asyncio.sleep(0.02)
                livekit.webhook_url = None
    assert sorted(call.room for call in livekit.create_calls) == rooms
    assert [len(livekit.rooms.agents_in(room)) for room in rooms] == [1] * 10


async def test_i6_r3_a_replica_killed_while_it_asks_is_succeeded(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """Its CreateDispatch is done and never answered: who claims the session next finds the attempt, and adds none."""
    livekit.workers.register("greeter")
    livekit.faults.lose_replies("CreateDispatch", hang=True)
    with running_valkey(tmp_path) as valkey:
        async with AsyncExitStack() as stack:
            port = free_port()
            dying = stack.enter_context(process(livekit, valkey, tmp_path, port))
            livekit.webhook_url = f"http://127.0.0.1:{port}/webhook"
            await wait_ready(f"http://127.0.0.1:{port}", within=15)
            await livekit.rooms.join("lobby", "alice")
            await livekit.wait_until(lambda: livekit.create_calls)
            survivor, ears = await stack.enter_async_context(replica(livekit, valkey.url))
            livekit.webhook_url = f"{survivor.url}/webhook"
            dying.signal(SIGKILL)
            await livekit.wait_until(lambda: livekit.rooms.agents_in("lobby"))
            async with asyncio.timeout(15):  # a lease, and what is owed after it
                while not (served := [line for line in ears.lines if line["action"] == "agent.joined"]):
                    ears.said.clear()
                    await ears.said.wait()
            livekit.webhook_url = None
    assert [line["number"] for line in served] == [1]
    assert len(livekit.create_calls) == 1
    assert len(livekit.rooms.agents_in("lobby")) == 1


async def test_w11_without_its_redis_it_starts_refuses_in_time_and_recovers(
    livekit: FakeLiveKit, tmp_path: Path
) -> None:
    """Unready with the reason; 503 with Retry-After, never 200; once Redis is there, nobody has to do anything."""
    port = free_port()
    async with replica(livekit, f"redis://127.0.0.1:{port}") as (service, ears), aiohttp.ClientSession() as http:
        async with asyncio.timeout(5):
            while (await ready(service.url))["reason"] != "ledger_unavailable":
                await asyncio.sleep(0.02)
        status, retry_after, seconds = await join(http, service.url, "EV_1")
        assert (status, retry_after) == (503, "1")
        assert seconds < ANSWERED_WITHIN
        assert [line["why"] for line in ears.lines if "Redis" in line.get("why", "")] == ["Redis: ConnectionError"]
        with running_valkey(tmp_path, port=port) as valkey:
            await wait_ready(service.url)
            assert (await join(http, service.url, "EV_1"))[0] == 200

            valkey.process.signal(SIGSTOP)
            answers = await asyncio.gather(*(join(http, service.url, f"EV_{n}") for n in range(CONNECTIONS + 8)))
            valkey.process.signal(SIGCONT)
            assert {(status, retry_after) for status, retry_after, _ in answers} == {(503, "1")}
            assert max(seconds for _, _, seconds in answers) < ANSWERED_WITHIN
            await wait_ready(service.url)
            assert (await join(http, service.url, "EV_2"))[0] == 200


def process(livekit: FakeLiveKit, valkey: Valkey, directory: Path, port: int) -> Child:
    """`dispatcher serve` is starting, to answer at the port."""
    environment = {
        "LIVEKIT_URL": livekit.url,
        "LIVEKIT_API_KEY": livekit.api_key,
        "LIVEKIT_API_SECRET": livekit.api_secret,
        "REDIS_URL": valkey.url,
        "DISPATCHER_AGENT": "greeter",
        "DISPATCHER_HOST": "127.0.0.1",
        "DISPATCHER_PORT": str(port),
    }
    command = [sys.executable, "-m", "dispatcher", "serve", "--log", "json"]
    return Child(command, directory / "replica.log", environment=environment)


ALL_ON_DISK = ("--appendonly", "yes", "--appendfsync", "always")


async def asked_until_answered(http: aiohttp.ClientSession, service: Service) -> tuple[str, str]:
    """What one copy of the request is answered, which is sent again for as long as it is 503; and its assignment."""
    asked = {"room": "lobby", "agent": "sales", "metadata": "for one agent alone"}
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "one"}
    async with asyncio.timeout(30):
        while True:
            async with http.post(f"{service.url}/v1/dispatches?wait=20s", json=asked, headers=headers) as answer:
                told = await answer.json()
                if answer.status != 503:
                    return told["state"], told["assignment"]
            await asyncio.sleep(0.1)


async def test_fifty_copies_of_a_request_at_three_replicas_are_one_agent_though_redis_dies(
    livekit: FakeLiveKit, tmp_path: Path
) -> None:
    """The ledger is killed while they come, and comes back with what it had acknowledged: all have one answer."""
    options = (*ALL_ON_DISK, "--dir", str(tmp_path))
    livekit.workers.register("sales")
    await livekit.rooms.open("lobby")
    async with AsyncExitStack() as stack:
        valkey = stack.enter_context(running_valkey(tmp_path, *options))
        replicas = [(await stack.enter_async_context(replica(livekit, valkey.url)))[0] for _ in range(3)]
        for one in replicas:
            await wait_ready(one.url)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        copies = [asyncio.create_task(asked_until_answered(http, replicas[number % 3])) for number in range(50)]
        await asyncio.sleep(0.02)
        valkey.process.signal(SIGKILL)
        await asyncio.sleep(0.3)
        stack.enter_context(running_valkey(tmp_path, *options, port=valkey.port))

        answers = set(await asyncio.gather(*copies))
        assert len(answers) == 1
        assert {state for state, _ in answers} == {"served"}
        assert len(livekit.rooms.agents_in("lobby")) == 1
        assert [one.metadata for one in livekit.rooms.dispatches_in("lobby")] == ["for one agent alone"]
