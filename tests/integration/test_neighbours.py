"""Who is at work beside a service: a dry run, and an installation of another LiveKit. Neither does it any harm."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import redis
from msgspec.structs import replace

from dispatcher.app import Service, running
from dispatcher.cli.explain import explain
from dispatcher.config import Config, LedgerAt
from dispatcher.ledger.redis import address
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, Timings
from tests.integration.house import SPEED, TOKEN, Ears, config, rule
from tests.integration.test_replicas import everywhere, join, ready, wait_ready, wait_unready
from tests.real.valkey import Valkey, running_valkey

ROOMS = 30


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """An empty Valkey."""
    with running_valkey(tmp_path) as server:
        yield server


@pytest.fixture
async def livekit() -> AsyncIterator[FakeLiveKit]:
    """A fast LiveKit."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as fake:
        yield fake


def settings(livekit: FakeLiveKit, valkey: Valkey, **fields: object) -> Config:
    """A configuration for this LiveKit, with its ledger there."""
    made = config(livekit.url, rule("greeter"), sweep_every=1_000)
    return replace(made, ledger=LedgerAt("redis", address.read(valkey.url)), **fields)


@asynccontextmanager
async def serving(settings: Config, *, dry_run: bool = False) -> AsyncIterator[tuple[Service, Ears]]:
    """The service runs, ready or not."""
    ears = Ears()
    async with running(settings, Log(ears.hear, time.time), version="test", dry_run=dry_run) as service:
        yield service, ears


async def said(ears: Ears, action: str, rooms: int = 1, within: float = 10.0) -> None:
    """It was said of so many rooms."""
    async with asyncio.timeout(within):
        while len({line.get("room") for line in ears.lines if line["action"] == action}) < rooms:
            ears.said.clear()
            await ears.said.wait()


def content(valkey: Valkey) -> dict[bytes, bytes]:
    """Everything in the server."""
    with redis.Redis.from_url(valkey.url) as client:
        return {key: client.dump(key) for key in client.keys("*")}


async def test_a_dry_run_changes_nothing_in_redis(livekit: FakeLiveKit, valkey: Valkey) -> None:
    """It decides by its own webhooks and its sweep, beside what production has left there, and is ready without it."""
    livekit.workers.register("greeter")
    async with serving(settings(livekit, valkey)) as (production, ears):
        await wait_ready(production.url)
        livekit.webhook_url = f"{production.url}/webhook"
        await livekit.rooms.join("lobby", "alice")
        await said(ears, "agent.joined")
        livekit.webhook_url = None
    before = content(valkey)

    await livekit.rooms.join("swept", "bob")
    async with serving(settings(livekit, valkey), dry_run=True) as (dry, ears):
        await wait_ready(dry.url)
        livekit.webhook_url = f"{dry.url}/webhook"
        await livekit.rooms.join("heard", "carol")
        await said(ears, "dispatch.simulated", rooms=2)
        assert {line["room"] for line in ears.lines if line["action"] == "dispatch.simulated"} == {"swept", "heard"}
        assert [life.key.room for life in await dry.ledger.list("default")] != []
        livekit.webhook_url = None

    assert before
    assert content(valkey) == before
    assert [call.room for call in livekit.create_calls] == ["lobby"]


async def test_a_dry_run_beside_production_takes_none_of_its_rooms(livekit: FakeLiveKit, valkey: Valkey) -> None:
    """Both get every webhook at the same instant, and both sweep: each room gets its one agent."""
    for _ in range(4):
        livekit.workers.register("greeter")
    rooms = [f"room-{number}" for number in range(ROOMS)]
    async with (
        serving(settings(livekit, valkey)) as (production, _),
        serving(settings(livekit, valkey), dry_run=True) as (dry, _),
        everywhere(dry, production) as both,
    ):
        await asyncio.gather(wait_ready(production.url), wait_ready(dry.url))
        livekit.webhook_url = both
        for room in rooms:
            await livekit.rooms.join(room, "alice")
        await livekit.wait_until(lambda: all(livekit.rooms.agents_in(room) for room in rooms), within=20)
        livekit.webhook_url = None
    assert [len(livekit.rooms.agents_in(room)) for room in rooms] == [1] * ROOMS


async def test_a_dry_run_says_that_it_is_one(livekit: FakeLiveKit, valkey: Valkey) -> None:
    """In the API and in `explain`, as its ledger is not the one that somebody may look for."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for dry_run in (True, False):
        async with serving(settings(livekit, valkey), dry_run=dry_run) as (service, ears):
            await wait_ready(service.url)
            livekit.webhook_url = f"{service.url}/webhook"
            await livekit.rooms.join(f"lobby-{dry_run}", "alice")
            await said(ears, "dispatch.simulated" if dry_run else "dispatch.requested")
            livekit.webhook_url = None
            async with aiohttp.ClientSession(service.url, headers=headers) as http:
                rooms = await (await http.get("/v1/rooms")).json()
                room = await (await http.get(f"/v1/rooms/lobby-{dry_run}")).json()
            lines: list[str] = []
            await explain(service.url, TOKEN, f"lobby-{dry_run}", lines.append)

        assert (rooms["dry_run"], room["dry_run"]) == (dry_run, dry_run)
        assert lines[0].startswith("This is a dry run") == dry_run


async def test_an_installation_of_another_livekit_is_refused(livekit: FakeLiveKit, valkey: Valkey) -> None:
    """It is unready and says once why, naming both, and what to do; its webhooks are 503; the first goes on."""
    livekit.workers.register("greeter")
    async with (
        FakeLiveKit(timings=Timings(speed=SPEED)) as staging,
        serving(settings(livekit, valkey)) as (first, first_ears),
    ):
        await wait_ready(first.url)
        livekit.webhook_url = f"{first.url}/webhook"
        await livekit.rooms.join("lobby", "alice")
        await said(first_ears, "agent.joined")
        async with serving(settings(staging, valkey)) as (second, second_ears), aiohttp.ClientSession() as http:
            await said(second_ears, "ledger.taken")
            await wait_unready(second.url, "ledger_taken")
            status, retry_after, _ = await join(http, second.url, "EV_1")
            assert (status, retry_after) == (503, "1")
            await livekit.rooms.join("atrium", "bob")
            await said(first_ears, "agent.joined", rooms=2)
            told = [line for line in second_ears.lines if line["action"] == "ledger.taken"]
            put_off = [line for line in second_ears.lines if line["action"].endswith("_put_off")]
        livekit.webhook_url = None
    here, there = (f"default at {one.url.partition('//')[2]} (devkey)" for one in (staging, livekit))
    assert [line["why"] for line in told] == [
        f"instance default is another installation's, which has {there}; here it is at {here.partition('at ')[2]}"
    ]
    assert "another `instance`" in told[0]["hint"]
    assert put_off == [], "told once, not with each try"
    harm = {"room.finished", "room.unlisted", "ledger.taken"}
    assert not [line for line in first_ears.lines if line["action"] in harm]


async def test_an_installation_that_has_moved_takes_over(livekit: FakeLiveKit, valkey: Valkey) -> None:
    """The process that is told to is ready at once, and the one that was there no more."""
    async with (
        FakeLiveKit(timings=Timings(speed=SPEED)) as new,
        serving(settings(livekit, valkey)) as (first, first_ears),
    ):
        await wait_ready(first.url)
        async with serving(settings(new, valkey, take_over=True)) as (second, _):
            await wait_ready(second.url)
            await said(first_ears, "ledger.taken")
            await wait_unready(first.url, "ledger_taken")
            assert (await ready(second.url))["ready"]


async def test_two_instances_have_one_redis(livekit: FakeLiveKit, valkey: Valkey) -> None:
    """The same project, room name and event ids: each serves its own rooms, swept or heard of."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as other:
        both = (livekit, other)
        for one in both:
            one.workers.register("greeter")
            await one.rooms.join("swept", "alice")
        async with (
            serving(settings(livekit, valkey, instance="blue")) as (blue, blue_ears),
            serving(settings(other, valkey, instance="green")) as (green, green_ears),
        ):
            await asyncio.gather(wait_ready(blue.url), wait_ready(green.url))
            for one, service in zip(both, (blue, green), strict=True):
                one.webhook_url = f"{service.url}/webhook"
                await one.rooms.join("heard", "alice")
            await asyncio.gather(*(said(ears, "agent.joined", rooms=2) for ears in (blue_ears, green_ears)))
            known = [len(await service.ledger.list("default")) for service in (blue, green)]
            for one in both:
                one.webhook_url = None
    assert known == [2, 2]
    assert [sorted(call.room for call in one.create_calls) for one in both] == [["heard", "swept"]] * 2
    assert not [line for ears in (blue_ears, green_ears) for line in ears.lines if line["action"] == "room.finished"]


async def test_two_processes_without_a_shared_ledger_are_found_out(livekit: FakeLiveKit) -> None:
    """Each has its own in memory, and both ask for the same agent: each says so, and one agent stays."""
    livekit.workers.register("greeter")
    alone = config(livekit.url, rule("greeter"))
    async with (
        serving(alone) as (one, one_ears),
        serving(alone) as (two, two_ears),
        everywhere(one, two) as both,
    ):
        await asyncio.gather(wait_ready(one.url), wait_ready(two.url))
        livekit.webhook_url = both
        livekit.faults.slow("CreateDispatch", 1.0 * SPEED, times=2)  # neither look sees what the other made
        await livekit.rooms.join("lobby", "alice")
        await asyncio.gather(said(one_ears, "dispatch.duplicated"), said(two_ears, "dispatch.duplicated"))
        livekit.webhook_url = None
    assert len(livekit.create_calls) == 2
