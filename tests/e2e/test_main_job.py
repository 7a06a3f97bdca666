"""The main job on a real livekit-server, with real workers and real people. `make e2e`."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.e2e.house import House, house, serving
from tests.real.people import present
from tests.real.workers import start_worker, wait_registered

pytestmark = pytest.mark.real


async def _one_agent(here: House, room: str) -> None:
    """Exactly one agent is in the room, and it stays one."""
    assert len(await here.agents(room)) == 1
    await asyncio.sleep(1.0)  # not to wait for something: a second agent would come in this time
    assert len(await here.agents(room)) == 1


async def test_who_joins_gets_exactly_one_agent(tmp_path: Path) -> None:
    """A person joins; the webhook comes; one agent is dispatched, seen ACTIVE, and told."""
    with house(tmp_path) as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        async with present(here.server, "lobby"):
            await here.service.told("agent.joined", room="lobby")
            await _one_agent(here, "lobby")
        assert [line["number"] for line in here.service.lines(room="lobby", action="dispatch.requested")] == [1]


async def test_a_tokens_dispatch_stays_the_only_one(tmp_path: Path) -> None:
    """The token brings the agent: it is adopted, and no other is asked for."""
    with house(tmp_path) as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        async with present(here.server, "lobby", agents=["greeter"]):
            await here.service.told("dispatch.adopted", room="lobby", reason="foreign")
            await here.service.told("agent.joined", room="lobby")
            await _one_agent(here, "lobby")
        assert here.service.lines(room="lobby", action="dispatch.requested") == []


async def test_d5_a_worker_that_starts_late_is_found(tmp_path: Path) -> None:
    """Nobody of that name: the room is starved, and served soon after the worker has come."""
    with house(tmp_path, attempts=1, confirm_within="3s", retry_every="2s") as here:
        async with present(here.server, "lobby"):
            await here.service.told("assignment.starved", room="lobby")
            with start_worker(here.server, tmp_path, "greeter") as worker:
                wait_registered(worker)
                await here.service.told("agent.joined", room="lobby", within=30)
                await _one_agent(here, "lobby")


async def test_d7_a_worker_that_rejects_makes_way_for_the_fallback(tmp_path: Path) -> None:
    """It says no; the fallback is in the room seconds later."""
    rules = [{"name": "line", "agent": "busy", "fallback": ["greeter"]}]
    with house(tmp_path, rules) as here:
        busy = start_worker(here.server, tmp_path, "busy", behaviour="reject")
        with busy, start_worker(here.server, tmp_path, "greeter") as greeter:
            wait_registered(busy, greeter)
            async with present(here.server, "lobby"):
                rejected = await here.service.told("attempt.ended", room="lobby", number=1)
                await here.service.told("agent.joined", room="lobby", agent="greeter")
                await _one_agent(here, "lobby")
    assert rejected["verdict"] == "rejected"


async def test_a_forged_webhook_is_refused(tmp_path: Path) -> None:
    """401 with its reason, in the log and in the metrics."""
    with house(tmp_path) as here:
        async with ClientSession() as http:
            refused = await http.post(f"{here.service.url}/webhook", data=b"{}", headers={"Authorization": "nonsense"})
            assert (refused.status, await refused.json()) == (401, {"error": "malformed_token"})
            metrics = await (await http.get(f"{here.service.url}/metrics")).text()
        await here.service.told("webhook.rejected", reason="malformed_token")
    assert 'livekit_dispatcher_webhooks_total{event="unknown",result="malformed_token"} 1.0' in metrics


async def test_killed_in_mid_attempt_it_adds_no_agent(tmp_path: Path) -> None:
    """Killed with an attempt open; its successor, with an empty memory, adopts what LiveKit shows."""
    with house(tmp_path) as here:
        port = int(here.service.url.rsplit(":", 1)[1])
        async with present(here.server, "lobby"):
            await here.asked("lobby")
            here.service.process.stop(within=0)
            again = tmp_path / "again"
            again.mkdir()
            with serving(here.server, again, port, "--config", str(tmp_path / "dispatcher.yaml")) as service:
                adopted = await service.told("dispatch.adopted", room="lobby")
                assert adopted["reason"] == "ours"
                assert service.lines(room="lobby", action="dispatch.requested") == []


async def test_told_to_stop_it_is_gone_at_once(tmp_path: Path) -> None:
    """SIGTERM: exit code 0, long before the 10 s it may take."""
    with house(tmp_path) as here:
        here.service.process.stop(within=10)
        assert here.service.lines(action="service.stopped")
