"""Probes on a real livekit-server, with a real worker: first there is none, then there is one."""

import asyncio
from pathlib import Path
from typing import Final

import pytest
from livekit.api import (
    CreateAgentDispatchRequest,
    CreateRoomRequest,
    ListParticipantsRequest,
    ListRoomsRequest,
    LiveKitAPI,
)

from dispatcher.client import AgentProbe, Dispatcher
from tests.e2e.house import House, house
from tests.real.server import running_server
from tests.real.workers import start_worker, wait_registered

pytestmark = pytest.mark.real

TOKEN: Final = "an-operators-token"
TOKENS: Final = [{"name": "maria", "token": TOKEN, "scopes": ["read"]}]


async def no_room(here: House, within: float = 20.0) -> None:
    """LiveKit lists none, soon."""
    async with asyncio.timeout(within), LiveKitAPI(here.server.url, here.server.key, here.server.secret) as api:
        while (await api.room.list_rooms(ListRoomsRequest())).rooms:
            await asyncio.sleep(0.1)


async def probes(here: House) -> AgentProbe:
    """What the API shows of them."""
    async with Dispatcher(here.service.url, TOKEN) as dispatcher:
        [row] = (await dispatcher.agents()).agents
    [target] = row.targets
    assert target.probe is not None
    assert (row.assignments, row.last_hour.served, row.last_hour.failed) == ({}, 0, 0)
    return target.probe


async def test_a_worker_that_is_gone_is_found_before_anybody_calls(tmp_path: Path) -> None:
    """Silence is told with its cause; once a worker is there the next probe gets its agent, and each room ends."""
    with house(tmp_path, api_tokens=TOKENS, probe={"every": "30s", "agents": ["greeter"]}) as here:
        failed = await here.service.told("probe.failed", within=60)
        assert (failed["result"], "No worker took the job" in failed["why"]) == ("silent", True)
        await no_room(here)
        assert (await probes(here)).failures == 1
        with start_worker(here.server, tmp_path, "greeter") as worker:
            wait_registered(worker)
            served = await here.service.told("probe.served", within=90)
            assert 0 < served["duration_ms"] < 10_000
            await no_room(here)
        told = await probes(here)
        assert (told.result, told.failures, told.took_ms) == ("served", 0, served["duration_ms"])
        assert here.service.lines(action="agent.unrequested") == []


async def test_a_room_that_a_killed_process_has_left_ends_though_an_agent_is_in_it(tmp_path: Path) -> None:
    """LiveKit ends it by its `empty_timeout`, as nobody but an agent was ever there."""
    with running_server(tmp_path) as server, start_worker(server, tmp_path, "greeter") as worker:
        wait_registered(worker)
        async with LiveKitAPI(server.url, server.key, server.secret) as api:
            await api.room.create_room(CreateRoomRequest(name="left", empty_timeout=8))
            await api.agent_dispatch.create_dispatch(CreateAgentDispatchRequest(room="left", agent_name="greeter"))
            async with asyncio.timeout(60):
                while not (await api.room.list_participants(ListParticipantsRequest(room="left"))).participants:
                    await asyncio.sleep(0.1)
                while (await api.room.list_rooms(ListRoomsRequest())).rooms:
                    await asyncio.sleep(0.1)
