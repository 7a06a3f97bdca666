"""What goes wrong on a real livekit-server is mended in time; the times are docs/livekit.md's. `make e2e-long`."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession
from livekit.api import DeleteRoomRequest, ListRoomsRequest, LiveKitAPI

from tests.e2e.house import House, house, idle_processes, serving
from tests.real.people import Kind, present
from tests.real.server import free_port, running_server
from tests.real.workers import start_worker, wait_registered

pytestmark = [pytest.mark.real, pytest.mark.long]

GHOST = 20.0  # seconds for which LiveKit shows an agent whose process was killed
LISTED_LATE = 5.0  # seconds until the job of a worker that has newly registered is listed
SLACK = 5.0  # seconds for the agent's way into the room, on a busy machine
QUIET = 5.0  # seconds in which what must not happen would


@contextmanager
def _house(directory: Path, *, copies: int = 1, every: str = "30s") -> Iterator[House]:
    """LiveKit sends so many copies of each webhook, and the service sweeps this often; `greeter` is for everyone."""
    port = free_port()
    with running_server(directory, webhooks=[f"http://127.0.0.1:{port}/webhook"] * copies) as server:
        file = directory / "dispatcher.yaml"
        rules = [{"name": "everyone", "agent": "greeter"}]
        file.write_text(json.dumps({"rules": rules, "sweep": {"every": every}}))  # JSON is YAML
        with serving(server, directory, port, "--config", str(file)) as service:
            yield House(server=server, service=service)


@contextmanager
def _takes(what: str, most: float, *, least: float = 0.0) -> Iterator[None]:
    """What happens within takes so many seconds; `pytest -s` shows how many."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    print(f"\n{what}: {took:.1f} s")  # noqa: T201 - for the table
    assert least <= took < most


async def _one_agent(here: House, room: str) -> None:
    """Exactly one agent is in the room, and it stays one."""
    assert len(await here.agents(room)) == 1
    await asyncio.sleep(1.0)  # not to wait for something: a second agent would come in this time
    assert len(await here.agents(room)) == 1


async def test_l1_a_killed_agent_is_replaced(tmp_path: Path) -> None:
    """Its process is killed in mid-call: LiveKit notices after 20 s, and another is there seconds later."""
    with house(tmp_path, min_stay="1s") as here, start_worker(here.server, tmp_path, "greeter", processes=1) as worker:
        wait_registered(worker)
        worker.wait_until(lambda: len(idle_processes(worker)) == 1, "its process is ready", within=30)
        (agent,) = idle_processes(worker)
        async with present(here.server, "lobby"):
            await here.service.told("agent.joined", room="lobby", number=1)
            await asyncio.sleep(1.0)  # `min_stay`: until then it would count as failed
            with _takes("agent killed", GHOST + SLACK):
                os.kill(agent, signal.SIGKILL)
                await here.service.told("agent.joined", room="lobby", number=2, within=40)
            await _one_agent(here, "lobby")
    assert here.service.lines(action="attempt.ended", number=1, verdict="crashed", reason="connection_timeout")


async def test_l5_an_agent_that_fails_at_the_start_makes_way(tmp_path: Path) -> None:
    """It raises as soon as it is there: tried twice, then the fallback."""
    rules = [{"name": "line", "agent": "faulty", "fallback": ["greeter"], "attempts": 2}]
    with house(tmp_path, rules) as here:
        faulty = start_worker(here.server, tmp_path, "faulty", behaviour="crash")
        with faulty, start_worker(here.server, tmp_path, "greeter") as greeter:
            wait_registered(faulty, greeter)
            async with present(here.server, "lobby"):
                await here.service.told("assignment.created", room="lobby")
                with _takes("exception at the start, twice, and the fallback", 3 * LISTED_LATE + SLACK):
                    await here.service.told("agent.joined", room="lobby", agent="greeter", within=40)
                await _one_agent(here, "lobby")
    ended = here.service.lines(action="attempt.ended", agent="faulty")
    assert [(line["verdict"], line["reason"]) for line in ended] == [("failed", "client_initiated")] * 2


async def test_d2_a_job_without_an_agent_is_given_up(tmp_path: Path) -> None:
    """A worker takes the job and never joins, JS_RUNNING for ever: the fallback comes after `join_within`."""
    rules = [{"name": "line", "agent": "absent", "fallback": ["greeter"], "attempts": 1, "join_within": "8s"}]
    with house(tmp_path, rules) as here:
        absent = start_worker(here.server, tmp_path, "absent", behaviour="no-show")
        with absent, start_worker(here.server, tmp_path, "greeter") as greeter:
            wait_registered(absent, greeter)
            async with present(here.server, "lobby"):
                await here.service.told("dispatch.requested", room="lobby")
                with _takes("no-show after 8 s, and the fallback", 8.0 + SLACK, least=8.0):
                    await here.service.told("agent.joined", room="lobby", agent="greeter", within=30)
                await _one_agent(here, "lobby")
    assert here.service.lines(action="attempt.ended", number=1)[0]["verdict"] == "no_show"


async def test_d6_a_worker_that_answers_too_late_is_given_up(tmp_path: Path) -> None:
    """It takes 4 s to say yes; LiveKit has stopped listening after 3: the fallback comes after 9 s."""
    rules = [{"name": "line", "agent": "slow", "fallback": ["greeter"], "attempts": 1}]
    with house(tmp_path, rules) as here:
        slow = start_worker(here.server, tmp_path, "slow", behaviour="slow")
        with slow, start_worker(here.server, tmp_path, "greeter") as greeter:
            wait_registered(slow, greeter)
            async with present(here.server, "lobby"):
                await here.service.told("dispatch.requested", room="lobby")
                with _takes("request handler too slow, and the fallback", 9.0 + SLACK, least=9.0):
                    await here.service.told("agent.joined", room="lobby", agent="greeter", within=30)
                await _one_agent(here, "lobby")
    assert here.service.lines(action="attempt.ended", number=1)[0]["verdict"] == "silent"


async def test_i1_five_copies_of_each_webhook_bring_one_agent(tmp_path: Path) -> None:
    """LiveKit is told the URL five times: four of five copies are counted as repeated."""
    with _house(tmp_path, copies=5) as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        async with present(here.server, "lobby"):
            await here.service.told("agent.joined", room="lobby")
            await _one_agent(here, "lobby")
            async with ClientSession() as http, http.get(f"{here.service.url}/metrics") as answer:
                metrics = await answer.text()
    assert len(here.service.lines(action="dispatch.requested")) == 1
    assert 'livekit_dispatcher_webhooks_total{event="room_started",result="duplicate"} 4.0' in metrics


async def test_w2_without_any_webhook_the_sweep_serves(tmp_path: Path) -> None:
    """No webhook ever comes: whoever waits is found within one interval of the sweep."""
    with _house(tmp_path, copies=0, every="3s") as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        async with present(here.server, "lobby"):
            with _takes("no webhooks, swept each 3 s", 3.0 + 1.0 + 0.5):  # a turn is asked for every second
                await here.service.told("dispatch.requested", room="lobby")
            await here.service.told("agent.joined", room="lobby")
            await _one_agent(here, "lobby")


async def test_w4_late_webhooks_of_dead_rooms_revive_none(tmp_path: Path) -> None:
    """People joined and their rooms were deleted while nobody listened; LiveKit's retries tell of it afterwards."""
    rooms = [f"late-{n}" for n in range(10)]
    with house(tmp_path) as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        port = int(here.service.url.rsplit(":", 1)[1])
        here.service.process.stop(within=10)
        async with LiveKitAPI(here.server.url, here.server.key, here.server.secret) as api:
            for room in rooms:
                async with present(here.server, room):
                    pass
                await api.room.delete_room(DeleteRoomRequest(room=room))
            again = tmp_path / "again"
            again.mkdir()
            with serving(here.server, again, port, "--config", str(tmp_path / "dispatcher.yaml")) as service:
                for room in rooms:
                    await service.told("room.finished", room=room, within=30)
                assert service.lines(action="dispatch.requested") == []
                assert list((await api.room.list_rooms(ListRoomsRequest())).rooms) == []


async def test_w4_rooms_that_die_as_their_agents_are_asked_for(tmp_path: Path) -> None:
    """LiveKit itself revives some, the agent alone in them: it is sent away, or told where nothing shows whose."""
    rooms = [f"brief-{n}" for n in range(10)]
    with house(tmp_path) as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        async with LiveKitAPI(here.server.url, here.server.key, here.server.secret) as api:
            for room in rooms:
                async with present(here.server, room):
                    await api.room.delete_room(DeleteRoomRequest(room=room))
        await asyncio.sleep(QUIET)
        async with asyncio.timeout(120):  # a minute, and a sweep, where LiveKit revives a room under its old SID
            for room in rooms:
                while await here.agents(room) and not here.service.lines(action="agent.unrequested", room=room):
                    await asyncio.sleep(0.2)
        asked = [line["room"] for line in here.service.lines(action="dispatch.requested")]
        assert len(asked) == len(set(asked))


async def test_t1_those_who_are_nobody_to_talk_to_bring_no_agent(tmp_path: Path) -> None:
    """Egress, ingress, agents and hidden participants alone in a room: nothing is asked for."""
    kinds: tuple[Kind, ...] = ("egress", "ingress", "agent")
    with house(tmp_path) as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        async with AsyncExitStack() as there:
            for kind in kinds:
                await there.enter_async_context(present(here.server, kind, kind=kind))
            await there.enter_async_context(present(here.server, "hidden", grant="hidden"))
            await asyncio.sleep(QUIET)
            assert here.service.lines(action="dispatch.requested") == []
            await there.enter_async_context(present(here.server, "hidden", "alice"))
            await here.service.told("agent.joined", room="hidden")  # the webhooks did come
    assert {line["room"] for line in here.service.lines(action="dispatch.requested")} == {"hidden"}


async def test_d1_thirty_rooms_at_once_get_thirty_agents(tmp_path: Path) -> None:
    """Somebody joins each of 30 rooms at the same time: one worker, exactly one agent in each."""
    rooms = [f"room-{n}" for n in range(30)]
    with house(tmp_path) as here, start_worker(here.server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        async with AsyncExitStack() as there:
            await asyncio.gather(*(there.enter_async_context(present(here.server, room)) for room in rooms))
            with _takes("thirty rooms at once", 15.0):
                for room in rooms:
                    await here.service.told("agent.joined", room=room, within=60)
            await asyncio.sleep(QUIET)
            agents = [len(await here.agents(room)) for room in rooms]
    assert agents == [1] * 30
