"""The main job on real servers from before 1.13.0: no iat in their tokens, no attributes, no deployments."""

import asyncio
import os
import signal
from pathlib import Path

import jwt
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from livekit.api import CreateRoomRequest, LiveKitAPI

from tests.e2e.house import House, house, idle_processes, serving
from tests.real.install import OLDER
from tests.real.people import present
from tests.real.server import SECRET, running_server
from tests.real.workers import start_worker, wait_registered

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.parametrize("version", OLDER)]


async def _one_agent(here: House, room: str) -> None:
    """Exactly one agent is in the room, and it stays one."""
    assert len(await here.agents(room)) == 1
    await asyncio.sleep(1.0)  # not to wait for something: a second agent would come in this time
    assert len(await here.agents(room)) == 1


async def _webhooks(here: House) -> dict[str, float]:
    """How many webhooks came to which result."""
    async with ClientSession() as http, http.get(f"{here.service.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if line.startswith("livekit_dispatcher_webhooks_total"))
    results: dict[str, float] = {}
    for series, value in samples:
        result = series.partition('result="')[2].partition('"')[0]
        results[result] = results.get(result, 0) + float(value)
    return results


async def test_its_webhooks_have_no_iat(tmp_path: Path, version: str) -> None:
    """What its token claims, as it comes: the body is bound to it, and `nbf` is the time of signing."""
    tokens: asyncio.Queue[str] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        tokens.put_nowait(request.headers["Authorization"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhook", take)
    async with TestServer(app) as receiver:
        with running_server(tmp_path, webhooks=[str(receiver.make_url("/webhook"))], version=version) as server:
            async with LiveKitAPI(server.url, server.key, server.secret) as api:
                await api.room.create_room(CreateRoomRequest(name="lobby"))
            async with asyncio.timeout(10):
                token = await tokens.get()
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert claims.keys() == {"iss", "nbf", "exp", "sha256"}
    assert claims["exp"] - claims["nbf"] == 300


async def test_who_joins_gets_exactly_one_agent(tmp_path: Path, version: str) -> None:
    """By its webhook, long before the first sweep would find the room: signed without `iat`, and recorded."""
    with house(tmp_path, version=version) as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        async with present(here.server, "lobby"):
            await here.service.told("agent.joined", room="lobby", within=15)
            await _one_agent(here, "lobby")
        results = await _webhooks(here)
        assert here.service.lines(action="session.repaired") == []
    assert results["recorded"] >= 3  # room_started, and two joined
    assert results.keys() <= {"recorded", "repeated", "ignored"}
    assert [line["number"] for line in here.service.lines(action="dispatch.requested")] == [1]


async def test_a_worker_that_rejects_makes_way_for_the_fallback(tmp_path: Path, version: str) -> None:
    """Servers from 1.9.2 on list its no: the fallback is in the room seconds later."""
    rules = [{"name": "line", "agent": "busy", "fallback": ["greeter"]}]
    with house(tmp_path, rules, version=version) as here:
        busy = start_worker(here.server, tmp_path, "busy", behaviour="reject")
        with busy, start_worker(here.server, tmp_path, "greeter") as greeter:
            wait_registered(busy, greeter)
            async with present(here.server, "lobby"):
                rejected = await here.service.told("attempt.ended", room="lobby", number=1)
                await here.service.told("agent.joined", room="lobby", agent="greeter")
                await _one_agent(here, "lobby")
    assert rejected["verdict"] == "rejected"


async def test_a_crashed_agent_is_replaced(tmp_path: Path, version: str) -> None:
    """Its process is killed: a ghost for a while, then CONNECTION_TIMEOUT, then another."""
    with (
        house(tmp_path, version=version, min_stay="0s") as here,
        start_worker(here.server, tmp_path, "greeter", processes=1) as worker,
    ):
        wait_registered(worker)
        worker.wait_until(lambda: len(idle_processes(worker)) == 1, "its process is ready", within=30)
        (agent,) = idle_processes(worker)
        async with present(here.server, "lobby"):
            await here.service.told("agent.joined", room="lobby", number=1)
            os.kill(agent, signal.SIGKILL)
            closed = await here.service.told("attempt.ended", room="lobby", within=60)
            await here.service.told("agent.joined", room="lobby", number=2, within=60)
            await _one_agent(here, "lobby")
    assert (closed["verdict"], closed["reason"]) == ("crashed", "connection_timeout")


async def test_killed_in_mid_attempt_it_adds_no_agent(tmp_path: Path, version: str) -> None:
    """Its successor knows nothing, and finds no tag: what LiveKit shows is adopted all the same."""
    with house(tmp_path, version=version) as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        port = int(here.service.url.rsplit(":", 1)[1])
        async with present(here.server, "lobby"):
            await here.asked("lobby")
            here.service.process.stop(within=0)
            again = tmp_path / "again"
            again.mkdir()
            with serving(here.server, again, port, "--config", str(tmp_path / "dispatcher.yaml")) as service:
                adopted = await service.told("dispatch.adopted", room="lobby")
                await service.told("agent.joined", room="lobby")
                await _one_agent(here, "lobby")
                assert service.lines(room="lobby", action="dispatch.requested") == []
    assert adopted["reason"] == "foreign"


async def test_a_deployment_that_it_does_not_know_is_found_out(tmp_path: Path, version: str) -> None:
    """The echo lacks it: refused, counted, and its agent sent away; the fallback comes."""
    rules = [{"name": "line", "agent": {"name": "greeter", "deployment": "canary"}, "fallback": ["backup"]}]
    with house(tmp_path, rules, version=version) as here:
        greeter = start_worker(here.server, tmp_path, "greeter")
        with greeter, start_worker(here.server, tmp_path, "backup") as backup:
            wait_registered(greeter, backup)
            async with present(here.server, "lobby"):
                await here.service.told("deployment.ignored", room="lobby")
                await here.service.told("agent.joined", room="lobby", agent="backup")
                async with asyncio.timeout(20):
                    while [one.attributes["lk.agent_name"] for one in await here.agents("lobby")] != ["backup"]:
                        await asyncio.sleep(0.1)
