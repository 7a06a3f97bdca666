"""An agent ordered over the API, on a real livekit-server with real workers: once, cancelled, tried again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientSession

from tests.e2e.house import House, house
from tests.real.people import present
from tests.real.workers import start_worker, wait_registered

pytestmark = pytest.mark.real

TOKEN: Final = "an-applications-token"
TOKENS: Final = [{"name": "backend", "token": TOKEN, "scopes": ["dispatch"], "agents": ["sales"]}]
NOBODY: Final = [{"name": "callers", "agent": "greeter", "kinds": ["SIP"]}]


@asynccontextmanager
async def asking(here: House) -> AsyncIterator[ClientSession]:
    """An application with a token of its own, and without a key of LiveKit's."""
    async with ClientSession(here.service.url, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        yield http


async def order(http: ClientSession, key: str, **more: object) -> dict[str, Any]:
    """The answer, once it is known how it ended."""
    asked = {"room": "lobby", "agent": "sales", **more}
    async with http.post("/v1/dispatches?wait=20s", json=asked, headers={"Idempotency-Key": key}) as answer:
        told: dict[str, Any] = await answer.json()
        assert answer.status == 200, told
        return told


async def test_an_ordered_agent_comes_once_goes_when_cancelled_and_comes_again(tmp_path: Path) -> None:
    """Beside a person whom no rule gives an agent; the application never sees LiveKit."""
    with house(tmp_path, NOBODY, api_tokens=TOKENS) as here, start_worker(here.server, tmp_path, "sales") as worker:
        wait_registered(worker)
        async with asking(here) as http, present(here.server, "lobby"):
            told = await order(http, "one", metadata='{"order": 4711}')
            assert told["state"] == "served"
            assert len(await here.agents("lobby")) == 1
            assert [one.metadata for one in await here.asked("lobby")] == ['{"order": 4711}']

            again = await asyncio.gather(*(order(http, "one", metadata='{"order": 4711}') for _ in range(5)))
            assert {one["assignment"] for one in again} == {told["assignment"]}
            assert len(await here.agents("lobby")) == 1

            path = f"/v1/rooms/lobby/assignments/{told['assignment']}"
            async with http.delete(f"{path}?wait=10s") as answer:
                assert (answer.status, (await answer.json())["state"]) == (200, "finished")
            async with asyncio.timeout(10):
                while await here.agents("lobby"):
                    await asyncio.sleep(0.1)
            async with http.post(f"{path}/retry?wait=20s") as answer:
                assert (answer.status, (await answer.json())["state"]) == (200, "served")
            assert len(await here.agents("lobby")) == 1


async def test_a_room_is_made_for_an_ordered_agent(tmp_path: Path) -> None:
    """Nobody is there yet, and the agent waits for whoever comes."""
    with house(tmp_path, NOBODY, api_tokens=TOKENS) as here, start_worker(here.server, tmp_path, "sales") as worker:
        wait_registered(worker)
        async with asking(here) as http:
            async with http.post("/v1/dispatches", json={"room": "lobby", "agent": "sales"}) as answer:
                assert answer.status == 404
            assert (await order(http, "one", create_room=True))["state"] == "served"
            assert len(await here.agents("lobby")) == 1
