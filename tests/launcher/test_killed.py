"""The launcher itself is killed with SIGKILL, wherever it is, and started again: nothing is lost, and nothing left.

`dispatcher launcher` is a process of its own here; the fake LiveKit is the test's.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession

from dispatcher.launcher import kin
from dispatcher.testing import DEV_KEYS, FakeLiveKit
from tests.launcher.launched import API_TOKEN, CHILD, FAST, running, token, until
from tests.real.child import Child
from tests.real.server import free_port

pytestmark = pytest.mark.real  # make e2e: each starts the launcher twice, over a minute together; test_restore is quick
WITHIN_S = 20.0  # from the next launcher's start until nothing is left that has no launch


class Restarted:
    """A launcher that is killed and started again, at one address and with one folder."""

    def __init__(self, folder: Path, livekit: FakeLiveKit, http: ClientSession, **settings: object) -> None:
        self.folder = folder
        self.livekit = livekit
        self.http = http
        self.port = free_port()
        command = [sys.executable, "-S", str(CHILD), str(settings.pop("behaviour", "joined"))]
        written = {"launchers": {"avatar": {"command": command, "limit": "8", **settings}}}
        (folder / "dispatcher.yaml").write_text(json.dumps(written))
        self.process: Child | None = None

    async def start(self) -> None:
        """It answers."""
        environment = {
            "LIVEKIT_URL": self.livekit.url,
            "LIVEKIT_KEYS": "\n".join(f"{key}: {secret}" for key, secret in DEV_KEYS.items()),
            "DISPATCHER_API_TOKEN": API_TOKEN,
        }
        place = ("--port", str(self.port), "--state", str(self.folder / "state"))
        command = [sys.executable, "-m", "dispatcher", "launcher", "--config", str(self.folder / "dispatcher.yaml")]
        self.process = Child([*command, *place], self.folder / "log", environment=environment)
        async with asyncio.timeout(60):
            while not await self._answers():
                assert self.process.running, self.process.output()
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """SIGKILL, to the launcher alone."""
        assert self.process is not None
        self.process.signal(signal.SIGKILL)
        while self.process.running:
            await asyncio.sleep(0.01)

    async def post(self, identity: str = "avatar") -> str:
        """A launch's id; "": the launcher died before it answered."""
        body = {"room_name": "lobby", "token": token(identity=identity)}
        try:
            async with self.http.post(f"http://127.0.0.1:{self.port}/launch", json=body) as answer:
                return str((await answer.json(content_type=None)).get("id", ""))
        except (OSError, ClientConnectionError):
            return ""

    async def launches(self) -> dict[str, dict[str, Any]]:
        """All that the launcher knows, by id."""
        headers = {"Authorization": f"Bearer {API_TOKEN}"}
        async with self.http.get(f"http://127.0.0.1:{self.port}/v1/launches?ended=true", headers=headers) as answer:
            return {one["id"]: one for one in (await answer.json())["launches"]}

    async def state(self, launch_id: str, state: str) -> dict[str, Any]:
        """The launch, once it is in this state."""
        async with asyncio.timeout(40):
            while (found := (await self.launches()).get(launch_id, {})).get("state") != state:
                await asyncio.sleep(0.05)
        return found

    def marked(self) -> set[str]:
        """The launches of which processes run."""
        known = {path.name for path in (self.folder / "state").iterdir()}
        alive = {mark for mark, members in kin.census({}).items() if not all(one.zombie for one in members)}
        return alive & known

    def said(self, action: str) -> int:
        """How many lines of this action all launchers of this folder have written."""
        return (self.folder / "log").read_text().count(f'"action": "{action}"')

    async def _answers(self) -> bool:
        try:
            async with self.http.get(f"http://127.0.0.1:{self.port}/healthz") as answer:
                return answer.status == 200
        except OSError:
            return False


@asynccontextmanager
async def restarted(tmp_path: Path, **settings: object) -> AsyncIterator[Restarted]:
    """The launcher runs; afterwards neither it nor anything that it has started does."""
    async with FakeLiveKit(timings=FAST) as fake, ClientSession() as http:
        await fake.rooms.join("lobby", "alice")
        one = Restarted(tmp_path, fake, http, **settings)
        await one.start()
        try:
            yield one
        finally:
            if one.process is not None:
                one.process.stop(20)
            assert one.marked() == set()


async def test_processes_that_are_there_are_adopted_and_seen_to(tmp_path: Path) -> None:
    """They go on, whoever writes included; the next launcher ends them with their room."""
    async with restarted(tmp_path, behaviour="forking") as one:
        launch_id = await one.post()
        before = await one.state(launch_id, "joined")
        await one.kill()
        assert running(before["pid"])
        await one.start()
        after = await one.state(launch_id, "joined")

        assert (after["pid"], after["joined_after_ms"]) == (before["pid"], before["joined_after_ms"])
        assert one.said("launch.adopted") == 1
        await one.livekit.rooms.close("lobby")
        ended = await one.state(launch_id, "ended")
        assert ended["why"] in {"lost", "room_finished"}
        assert one.marked() == set()


@pytest.mark.parametrize("step", ["launch.accepted", "launch.started", "launch.joined"])
async def test_killed_at_any_step_it_leaves_no_process_without_a_launch(tmp_path: Path, step: str) -> None:
    """Soon after the next start each process belongs to a launch that is shown, and strangers live."""
    stranger = await asyncio.create_subprocess_exec("sleep", "300", env={**os.environ, kin.MARK: "of-another-launcher"})
    try:
        async with restarted(tmp_path) as one:
            posted = asyncio.create_task(one.post())
            await until(lambda: one.said(step) > 0, within=40)
            await one.kill()
            await posted
            await one.start()
            await asyncio.sleep(1.0)
            shown = {one_id for one_id, launch in (await one.launches()).items() if launch["state"] != "ended"}

            assert one.marked() == shown
            assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_killed_while_it_ends_a_process_the_next_one_ends_it(tmp_path: Path) -> None:
    """What was ordered is done."""
    async with restarted(tmp_path, behaviour="stubborn", stop_within="1m") as one:
        launch_id = await one.post()
        await one.state(launch_id, "joined")
        await one.livekit.rooms.close("lobby")
        await one.state(launch_id, "ending")
        await one.kill()
        await one.start()
        ended = await one.state(launch_id, "ended")

        assert (ended["why"], one.marked()) == ("lost", set())


async def test_killed_with_processes_ahead_it_leaves_none_of_them(tmp_path: Path) -> None:
    """The next launcher starts its own."""
    async with restarted(tmp_path, behaviour="ahead", warm="2") as one:
        await until(lambda: len(one.marked()) == 2)
        old = one.marked()
        await one.kill()
        await one.start()
        await until(lambda: len(one.marked()) == 2 and not one.marked() & old, within=WITHIN_S)


async def test_one_launcher_at_a_time_has_a_folder(tmp_path: Path) -> None:
    """The second one says so, and touches nothing."""
    async with restarted(tmp_path) as one:
        launch_id = await one.post()
        await one.state(launch_id, "joined")
        environment = {**os.environ, "LIVEKIT_URL": one.livekit.url, "LIVEKIT_KEYS": "devkey: devsecret"}
        command = [sys.executable, "-m", "dispatcher", "launcher", "--config", str(tmp_path / "dispatcher.yaml")]
        place = ("--port", "0", "--state", str(tmp_path / "state"))
        second = await asyncio.create_subprocess_exec(*command, *place, env=environment, stdout=subprocess.PIPE)
        output, _ = await second.communicate()

        assert (second.returncode, b"another launcher works in" in output) == (1, True)
        assert (await one.launches())[launch_id]["state"] == "joined"
