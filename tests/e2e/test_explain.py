"""What `dispatcher explain` says of a real room; with `pytest -s` the stories are printed. `make e2e-long`."""

import os
import signal
from pathlib import Path

import pytest

from dispatcher.cli.explain import explain
from tests.e2e.house import House, house, idle_processes
from tests.real.people import present
from tests.real.workers import start_worker, wait_registered

pytestmark = [pytest.mark.real, pytest.mark.long]

TOKEN = "of-the-tests"


@pytest.fixture(autouse=True)
def asked_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service inherits it."""
    monkeypatch.setenv("DISPATCHER_API_TOKEN", TOKEN)


async def story(here: House, room: str) -> list[str]:
    """The lines that somebody who asks is shown."""
    written: list[str] = []
    assert await explain(here.service.url, TOKEN, room, written.append) == 0
    print("\n" + "".join(written))  # noqa: T201 - to be read
    return [line.strip() for line in "".join(written).splitlines()]


async def test_d1_a_lost_dispatch_that_was_healed(tmp_path: Path) -> None:
    """Nobody took the first; a worker that registered meanwhile took another."""
    with house(tmp_path) as here:
        async with present(here.server, "lobby"):
            await here.asked("lobby")
            with start_worker(here.server, tmp_path, "greeter") as worker:
                wait_registered(worker)
                joined = await here.service.told("agent.joined", room="lobby", within=60)
                standing, *told, asked, served = await story(here, "lobby")
    assert any(f"attempt {joined['number'] - 1} at greeter ended after 9" in line for line in told)
    assert f"asked for greeter (attempt {joined['number']})" in asked
    assert f"greeter is in the room (attempt {joined['number']})" in served
    assert standing.startswith("Served: `greeter` has been in the room for ")


async def test_l1_an_agent_that_was_killed_and_replaced(tmp_path: Path) -> None:
    """The story says what LiveKit gave as the reason, and who came instead."""
    with house(tmp_path, min_stay="1s") as here, start_worker(here.server, tmp_path, "greeter", processes=1) as worker:
        wait_registered(worker)
        worker.wait_until(lambda: len(idle_processes(worker)) == 1, "its process is ready", within=30)
        (agent,) = idle_processes(worker)
        async with present(here.server, "lobby"):
            await here.service.told("agent.joined", room="lobby", number=1)
            os.kill(agent, signal.SIGKILL)
            await here.service.told("agent.joined", room="lobby", number=2, within=40)
            told = await story(here, "lobby")
    assert any("the agent's process was lost: LiveKit noticed 20 s later" in line for line in told)
    assert told[0].startswith("Served: `greeter` has been in the room for ")


async def test_d5_a_room_that_starves(tmp_path: Path) -> None:
    """No worker is there: the first line says what to look at."""
    with house(tmp_path, attempts=2) as here:
        async with present(here.server, "lobby"):
            await here.service.told("assignment.starved", room="lobby", within=40)
            told = await story(here, "lobby")
    assert told[0].startswith("No agent: ")
    assert "No worker took the job within 9 s, 2 times: is one registered as `greeter`, with room for it?" in told[0]
