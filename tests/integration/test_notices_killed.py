"""Notices over processes: `dispatcher serve` is killed when it owes one, and another process sends it."""

import asyncio
import sys
from pathlib import Path
from signal import SIGKILL
from typing import Any

import msgspec

from dispatcher.testing import FakeLiveKit, Timings
from tests.integration.hooks import Hooks, hooks, is_signed
from tests.integration.house import SPEED
from tests.integration.test_replicas import wait_ready
from tests.real.child import Child
from tests.real.server import free_port
from tests.real.valkey import Valkey, running_valkey
from tests.unit.notices.tell import SECRET

STARTED_WITHIN = 30.0
GATHERED_S = 5  # before a message leaves: so long there is for the kill, and nothing else of the test depends on it


class Process:
    """`dispatcher serve`, on this Redis, with the file's receiver."""

    def __init__(self, livekit: FakeLiveKit, valkey: Valkey, directory: Path, name: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        environment = {
            "LIVEKIT_URL": livekit.url,
            "LIVEKIT_API_KEY": livekit.api_key,
            "LIVEKIT_API_SECRET": livekit.api_secret,
            "REDIS_URL": valkey.url,
            "DISPATCHER_HOST": "127.0.0.1",
            "DISPATCHER_PORT": str(port),
        }
        file = str(directory / "dispatcher.yaml")
        command = [sys.executable, "-m", "dispatcher", "serve", "--log", "json", "--config", file]
        self.child = Child(command, directory / f"{name}.log", environment=environment)

    async def told(self, action: str, within: float = 15.0) -> None:
        """It has logged this action."""
        async with asyncio.timeout(within):
            while f'"action": "{action}"' not in self.child.output():
                await asyncio.sleep(0.01)


def configured(ops: Hooks) -> Any:  # noqa: ANN401 - JSON, which is YAML
    """One attempt, and a receiver of what becomes of rooms."""
    rule = {"name": "all", "agent": "greeter", "attempts": 1, "confirm_within": "400ms", "retry_every": "1s"}
    to = {
        "name": "ops",
        "url": ops.url,
        "secret": SECRET,
        "allow_private": True,
        "events": ["room.starved", "room.recovered"],
        "group_wait": f"{GATHERED_S}s",
    }
    return {"rules": [rule], "notices": [to]}


async def test_a_notice_is_sent_once_though_its_process_is_killed(tmp_path: Path) -> None:
    """Killed between the save that starves a room and the sending: the notice is as durable as that save."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit, hooks() as ops:
        (tmp_path / "dispatcher.yaml").write_bytes(msgspec.json.encode(configured(ops)))
        with running_valkey(tmp_path) as valkey:
            dying = Process(livekit, valkey, tmp_path, "dying")
            with dying.child:
                await wait_ready(dying.url, STARTED_WITHIN)
                livekit.webhook_url = f"{dying.url}/webhook"
                await livekit.rooms.join("lobby", "alice")
                await dying.told("assignment.starved")
                dying.child.signal(SIGKILL)
                livekit.webhook_url = None
            assert ops.came == [], "the notice left before the process was killed"

            heir = Process(livekit, valkey, tmp_path, "heir")
            with heir.child:
                await wait_ready(heir.url, STARTED_WITHIN)
                livekit.webhook_url = f"{heir.url}/webhook"
                await ops.wait_taken(1, within=60)
                livekit.workers.register("greeter")  # what closes the incident leaves after all that is owed before
                starved, recovered = await ops.wait_taken(2, within=60)
                livekit.webhook_url = None

    assert [one["type"] for one in (starved, recovered)] == ["room.starved", "room.recovered"]
    assert [one["data"]["count"] for one in (starved, recovered)] == [1, 1]
    assert [one["room"] for one in starved["data"]["happenings"]] == ["lobby"]
    assert all(is_signed(headers, body) for headers, body in ops.came)
    assert len({headers["webhook-id"] for headers, _ in ops.came}) == len(ops.came) == 2
