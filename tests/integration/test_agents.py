"""The agents over HTTP: how each stands; one is paused during traffic, and resumed; a restart; two replicas."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from msgspec.structs import replace

from dispatcher.app import Service, running
from dispatcher.config import Config, LedgerAt
from dispatcher.ledger.redis import address
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, Timings, WorkerServer
from tests.integration.house import SPEED, Ears, House, config, house, rule
from tests.integration.test_steering import answered, asking
from tests.real.valkey import running_valkey

LINE = rule("sales", "voicemail", name="line")


async def order(http: aiohttp.ClientSession, agent: str, what: str, **body: object) -> dict[str, Any]:
    """It was paused or resumed; the answer's body."""
    status, told = await answered(http, "POST", f"/v1/agents/{agent}/{what}", json=body)
    assert status == 200, told
    return told


async def agents(http: aiohttp.ClientSession) -> dict[str, dict[str, Any]]:
    """Every agent, by its name."""
    status, told = await answered(http, "GET", "/v1/agents")
    assert status == 200, told
    return {one["agent"]: one for one in told["agents"]}


async def joined(here: House, room: str) -> str:
    """Which agent somebody gets who joins this room now."""
    await here.livekit.rooms.join(room, "alice")
    return str((await here.told("agent.joined", room=room))["agent"])


async def test_a_pause_during_traffic() -> None:
    """Who comes gets the next target at once; who is served keeps the agent; nobody is asked for while it lasts."""
    async with house(LINE) as here, asking(here) as http:
        here.livekit.workers.register("sales")
        here.livekit.workers.register("voicemail")
        assert await joined(here, "before") == "sales"
        there = here.livekit.rooms.agents_in("before")
        told = await order(http, "sales", "pause", **{"for": "30m", "reason": "deploy\x1b[2J"})
        assert told["paused"]["by"] == "environment"
        assert told["paused"]["reason"] == "deploy\x1b[2J"
        assert told["paused"]["until"] == told["paused"]["since"] + 1_800_000
        assert (told["assignments"], told["rules"]) == ({"served": 1}, ["line"])

        assert [await joined(here, f"during-{n}") for n in range(3)] == ["voicemail"] * 3
        _, room = await answered(http, "GET", "/v1/rooms/during-0")
        [line] = room["sessions"][0]["diagnosis"]
        assert r"`sales` is paused by environment until " in line
        assert r"UTC: deploy\x1b[2J." in line

        assert (await order(http, "sales", "resume"))["paused"] is None
        assert await joined(here, "after") == "sales"
        assert here.livekit.rooms.agents_in("before") == there
        assert {call.method for call in here.livekit.calls} & {"DeleteDispatch", "RemoveParticipant"} == set()
        asked = [line["agent"] for line in here.lines if line["action"] == "dispatch.requested"]
        assert asked == ["sales", *["voicemail"] * 3, "sales"]


async def test_who_has_no_other_agent_waits_for_the_end() -> None:
    """An order for it, too: the answer says who has paused it; and when it is resumed both have it within seconds."""
    async with house(rule("greeter")) as here, asking(here) as http:
        here.livekit.workers.register("greeter")
        await order(http, "greeter", "pause", reason="deploy")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("assignment.paused", room="lobby")
        asked = {"room": "lobby", "agent": "greeter"}
        status, told = await answered(http, "POST", "/v1/dispatches?wait=300ms", json=asked)
        assert (status, told["state"]) == (202, "paused")
        assert told["diagnosis"][0].endswith("`greeter` is paused by environment until somebody resumes it: deploy.")
        assert (await agents(http))["greeter"]["assignments"] == {"paused": 2}
        await order(http, "greeter", "resume")
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 2)


async def test_a_pause_ends_by_itself() -> None:
    """Who waits gets the agent without anybody's doing."""
    async with house(rule("greeter")) as here, asking(here) as http:
        here.livekit.workers.register("greeter")
        began = time.monotonic()
        await order(http, "greeter", "pause", **{"for": "1s"})
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("assignment.paused", room="lobby")
        await here.told("agent.resumed", agent="greeter", by=None)
        await here.told("agent.joined", room="lobby")
        assert 1.0 <= time.monotonic() - began < 4.0


async def test_the_gauge_shows_who_is_paused() -> None:
    """Within a second or two, by name."""
    async with house(LINE) as here, asking(here) as http:
        await order(http, "sales", "pause")
        series = 'livekit_dispatcher_agent_paused{agent="sales",project="default"}'
        async with asyncio.timeout(5):
            while (await here.metrics()).get(series) != 1:
                await asyncio.sleep(0.05)
        assert (await here.metrics())[series.replace("sales", "voicemail")] == 0


async def test_every_agent_that_is_known_is_listed() -> None:
    """Those that rules name, that live rooms have, that are paused, and that a worker is seen of."""
    async with WorkerServer("stray") as worker, FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        settings = replace(config(livekit.url, LINE), workers=(worker.url,))
        async with service_of(settings) as (service, ears):
            livekit.webhook_url = f"{service.url}/webhook"
            here = House(livekit, service, ears)
            livekit.workers.register("sales")
            livekit.workers.register("extra")
            await joined(here, "lobby")
            async with asking(here) as http:
                await answered(http, "POST", "/v1/dispatches?wait=5s", json={"room": "lobby", "agent": "extra"})
                await order(http, "ghost%2F1", "pause")
                await here.told("worker.answered")
                told = await agents(http)

    assert list(told) == ["extra", "ghost/1", "sales", "voicemail", "stray"]
    assert [name for name, one in told.items() if one["rules"] == ["line"]] == ["sales", "voicemail"]
    assert told["sales"]["assignments"] == told["extra"]["assignments"] == {"served": 1}
    assert (told["sales"]["workers"], told["stray"]["workers"], told["stray"]["project"]) == (None, 1, "default")
    assert [name for name, one in told.items() if one["paused"]] == ["ghost/1"]
    [target] = told["sales"]["targets"]
    assert (target["deployment"], target["circuit"], target["last_seen_at"] > 0) == ("", "closed", True)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("greeter/pause", b'{"for": "soon"}', "for"),
        ("greeter/pause", b'{"for": "0s"}', "for"),
        ("greeter/pause", b'{"for": "721h"}', "for"),
        ("greeter/pause", b'{"for": 30}', "for"),
        ("greeter/pause", b'{"fro": "30m"}', "fro"),
        ("greeter/pause", b'{"project": "other"}', "project"),
        ("greeter/resume", b'{"for": "30m"}', "for"),
        ("%20greeter/pause", b"", "agent"),
        (f"{'x' * 257}/pause", b"", "agent"),
    ],
)
async def test_a_pause_that_makes_no_sense_names_the_field(path: str, body: bytes, field: str) -> None:
    """And nobody is paused."""
    async with house(rule("greeter")) as here, asking(here) as http:
        status, problem = await answered(http, "POST", f"/v1/agents/{path}", data=body)
        assert (status, problem["field"]) == (422, field)
        assert [one for one in (await agents(http)).values() if one["paused"]] == []


@pytest.mark.parametrize("agent", ["a/b", "{sales}", "x/pause", "100%"])
async def test_an_agent_of_any_name_is_paused_and_resumed(agent: str) -> None:
    """LiveKit lets agents be called anything; the path has the name quoted."""
    async with house(rule(agent)) as here, asking(here) as http:
        told = await order(http, quote(agent, safe=""), "pause")
        assert (told["agent"], told["rules"], told["paused"]["by"]) == (agent, ["default"], "environment")
        assert (await order(http, quote(agent, safe=""), "resume"))["paused"] is None


async def test_not_more_than_so_many_are_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    """409: one must be resumed first."""
    monkeypatch.setattr("dispatcher.core.pauses.PAUSES_MAX", 1)
    async with house(rule("greeter")) as here, asking(here) as http:
        await order(http, "greeter", "pause")
        status, problem = await answered(http, "POST", "/v1/agents/sales/pause")
        assert (status, problem["error"]) == (409, "too_many_paused")


@asynccontextmanager
async def service_of(settings: Config) -> AsyncIterator[tuple[Service, Ears]]:
    """A service with these settings, and what it says."""
    ears = Ears()
    async with running(settings, Log(ears.hear, time.time), version="test") as service:
        yield service, ears


async def test_a_pause_survives_restarts_and_holds_on_every_replica(tmp_path: Path) -> None:
    """With Redis: on the other replica within 2 s, and on one that starts when all have stopped."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("sales")
        livekit.workers.register("voicemail")
        with running_valkey(tmp_path) as valkey:
            settings = replace(config(livekit.url, LINE), ledger=LedgerAt("redis", address.read(valkey.url)))
            async with service_of(settings) as (one, _), service_of(settings) as (other, ears):
                await asyncio.gather(ready(one), ready(other))
                livekit.webhook_url = f"{other.url}/webhook"
                async with asking(House(livekit, one, ears)) as http:
                    await order(http, "sales", "pause", reason="deploy")
                await asyncio.sleep(2)  # what is promised
                assert await joined(House(livekit, other, ears), "at-the-other") == "voicemail"
            async with service_of(settings) as (third, ears):
                here = House(livekit, third, ears)
                livekit.webhook_url = f"{third.url}/webhook"
                await ready(third)
                assert await joined(here, "after-the-restart") == "voicemail"
                async with asking(here) as http:
                    assert (await agents(http))["sales"]["paused"]["reason"] == "deploy"
                    await order(http, "sales", "resume")
                    assert await joined(here, "resumed") == "sales"
                livekit.webhook_url = None


async def test_the_last_hour_is_counted_over_replicas_and_restarts(tmp_path: Path) -> None:
    """What was served and what failed, by the minute, and how soon agents came: the same wherever somebody asks."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("voicemail")
        with running_valkey(tmp_path) as valkey:
            settings = replace(config(livekit.url, LINE), ledger=LedgerAt("redis", address.read(valkey.url)))
            async with service_of(settings) as (one, heard_by_one), service_of(settings) as (other, heard_by_other):
                await asyncio.gather(ready(one), ready(other))
                for service in (one, other):
                    livekit.webhook_url = f"{service.url}/webhook"
                    await livekit.rooms.join(f"at-{service.url[-4:]}", "alice")
                await joined_somewhere(2, heard_by_one, heard_by_other)
            async with service_of(settings) as (third, ears):
                await ready(third)
                async with asking(House(livekit, third, ears)) as http:
                    told = await agents(http)
                livekit.webhook_url = None

    hour, silent = told["voicemail"]["last_hour"], told["sales"]["last_hour"]
    assert (hour["served"], hour["failed"], len(hour["minutes"])) == (2, 0, 60)
    assert sum(served for served, _ in hour["minutes"][-2:]) == 2
    assert 0 < hour["p50_ms"] <= hour["p95_ms"]
    assert (silent["served"], silent["failed"] > 0, silent["p50_ms"]) == (0, True, None)


async def joined_somewhere(number: int, *ears: Ears) -> None:
    """So many agents have joined, whichever replica tells it."""
    async with asyncio.timeout(10):
        while sum(line["action"] == "agent.joined" for one in ears for line in one.lines) < number:
            await asyncio.sleep(0.02)


async def ready(service: Service) -> None:
    """It has claimed from the ledger."""
    async with asyncio.timeout(5), aiohttp.ClientSession() as http:
        while (await http.get(f"{service.admin_url}/readyz")).status != 200:
            await asyncio.sleep(0.02)
