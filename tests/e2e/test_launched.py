"""Rules that ask launchers, on a real livekit-server; what is launched has LiveKit's own client."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest
from livekit.api import DeleteRoomRequest, LiveKitAPI

from tests.e2e.house import House, house
from tests.launcher.launched import alive, until
from tests.real.child import Child
from tests.real.people import present
from tests.real.server import free_port

pytestmark = pytest.mark.real

CHILD: Final = [sys.executable, str(Path(__file__).parents[1] / "launcher" / "real_child.py")]
STARTED: Final = '"launcher.started"'
RULES: Final = [{"name": "everyone", "agent": {"launch": "avatar"}}]


@contextmanager
def launching(directory: Path, *limits: int) -> Iterator[tuple[House, list[Child]]]:
    """One file for all: the service, and a `dispatcher launcher` for each of these limits."""
    ports = [free_port() for _ in limits]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    with ExitStack() as stack:
        asked = {"avatar": {"urls": urls}}
        here = stack.enter_context(house(directory, RULES, launchers=asked, finish_grace="1s"))
        started = [
            stack.enter_context(launcher(here, directory / str(port), port, limit))
            for port, limit in zip(ports, limits, strict=True)
        ]
        yield here, started


@contextmanager
def launcher(here: House, directory: Path, port: int, limit: int) -> Iterator[Child]:
    """`dispatcher launcher` takes launches; it ends them all in the end."""
    directory.mkdir(exist_ok=True)
    file = directory / "launcher.yaml"
    file.write_text(f"launchers: {{avatar: {{command: {CHILD}, limit: {limit}, stop_within: 3s}}}}\n")
    words = ["launcher", "--config", str(file), "--port", str(port), "--state", str(directory / "state")]
    server = here.server
    keys = {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": server.key, "LIVEKIT_API_SECRET": server.secret}
    log = directory / "launcher.log"
    before = log.read_text().count(STARTED) if log.exists() else 0  # of one that was killed
    process = Child([sys.executable, "-m", "dispatcher", *words, "--log", "json"], log, environment=keys)
    try:
        process.wait_until(lambda: process.output().count(STARTED) > before, "the launcher takes launches", within=30)
        yield process
    finally:
        process.stop(within=15)


def launched(process: Child, action: str = "launch.accepted") -> list[Mapping[str, str]]:
    """What the launcher has started, as its log tells it; or what else it tells."""
    lines = [json.loads(line) for line in process.output().splitlines() if line.startswith("{") and line.endswith("}")]
    return [line for line in lines if line["action"] == action]


async def identities(here: House, room: str = "lobby") -> list[str]:
    """The agents that LiveKit shows."""
    return [one.identity for one in await here.agents(room)]


async def test_a_real_process_is_launched_killed_and_replaced(tmp_path: Path) -> None:
    """One agent from the first second to the last, and none of its processes outlives it."""
    with launching(tmp_path, 1) as (here, [one]):
        async with present(here.server, "lobby"):
            asked_at = time.monotonic()
            first = await here.service.told("agent.joined", within=60, room="lobby", number=1)
            print(f"from joining to ACTIVE: {first['duration_ms']} ms, told after {time.monotonic() - asked_at:.2f} s")  # noqa: T201
            await until(lambda: launched(one, "launch.joined"))  # until then it starts another process by itself
            [launch] = launched(one)
            [before] = await identities(here)
            for pid in alive(launch["launch"]):
                os.kill(pid, signal.SIGKILL)
            killed_at = time.monotonic()
            await here.service.told("agent.joined", within=60, room="lobby", number=2)
            print(f"killed, and replaced after {time.monotonic() - killed_at:.1f} s")  # noqa: T201

            [after] = await identities(here)
            assert after != before
            assert alive(launch["launch"]) == []
        async with asyncio.timeout(60):
            while any(alive(two["launch"]) for two in launched(one)):
                await asyncio.sleep(0.2)


async def test_two_launchers_share_the_rooms_and_a_dead_one_is_passed_over(tmp_path: Path) -> None:
    """The second is killed before the third room opens; its own room keeps its agent, which its successor ends."""
    with launching(tmp_path, 2, 2) as (here, [first, second]):
        async with present(here.server, "hall"), present(here.server, "attic"):
            await here.service.told("agent.joined", within=60, room="hall")
            await here.service.told("agent.joined", within=60, room="attic")
            assert [len(launched(one)) for one in (first, second)] == [1, 1]

            second.signal(signal.SIGKILL)
            async with present(here.server, "cellar"):
                await here.service.told("agent.joined", within=60, room="cellar")
                assert [len(await identities(here, room)) for room in ("hall", "attic", "cellar")] == [1, 1, 1]
                assert len(launched(first)) == 2

                left = [one["launch"] for one in launched(second)]
                with launcher(here, second.log.parent, int(second.log.parent.name), 2) as third:
                    await until(lambda: launched(third, "launch.adopted"))
                    assert [len(await identities(here, room)) for room in ("hall", "attic", "cellar")] == [1, 1, 1]
                    assert all(map(alive, left))
                assert not any(map(alive, left))


async def test_a_room_that_is_deleted_as_its_agent_starts_stays_deleted(tmp_path: Path) -> None:
    """LiveKit would open it again for the process, which would be alone there."""
    with launching(tmp_path, 1) as (here, [one]):
        async with present(here.server, "lobby"):
            await here.service.told("dispatch.requested", within=20, room="lobby")
            async with LiveKitAPI(here.server.url, here.server.key, here.server.secret) as api:
                await api.room.delete_room(DeleteRoomRequest(room="lobby"))
            await here.service.told("room.finished", within=20, room="lobby")
        async with asyncio.timeout(60):
            while not launched(one) or any(alive(launch["launch"]) for launch in launched(one)):
                await asyncio.sleep(0.2)

        assert await identities(here) == []
