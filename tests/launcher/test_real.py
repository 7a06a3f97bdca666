"""A real livekit-server, and processes with LiveKit's own client: cold and started ahead, killed and replaced."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from aiohttp import ClientSession
from livekit.api import ListParticipantsRequest, LiveKitAPI
from msgspec.structs import replace

from dispatcher.config import Config, LauncherSettings, Project, Secret
from dispatcher.launcher.launch import Launch, LaunchEnd, LaunchState
from dispatcher.launcher.server import LauncherPlace, running_launcher
from dispatcher.telemetry.logs import Log
from tests.launcher.launched import alive, configured, epoch_ms, token, until
from tests.real.people import present
from tests.real.server import Server, running_server

pytestmark = pytest.mark.real
CHILD = (sys.executable, str(Path(__file__).with_name("real_child.py")))


def two(server: Server) -> Config:
    """Two launchers of the same process: one starts it ahead."""
    cold, ahead = (
        LauncherSettings(name=name, command=CHILD, limit=3, warm=warm) for name, warm in (("cold", 0), ("ahead", 1))
    )
    projects = (Project(name="default", url=server.url, keys={server.key: Secret(server.secret)}),)
    return replace(configured(server.url, cold, ahead), projects=projects)


async def test_a_real_process_is_seen_in_a_real_room_and_ends_with_it(tmp_path: Path) -> None:
    """Started cold and ahead, killed, asked for anew while LiveKit still shows the dead one, and replaced."""
    with running_server(tmp_path) as server:
        log, place = Log(print, time.time), LauncherPlace(host="127.0.0.1", port=0, state=tmp_path / "state")
        async with (
            ClientSession() as http,
            present(server, "lobby"),
            running_launcher(two(server), log, place, clock=epoch_ms, version="test") as launcher,
        ):

            async def launch(name: str, identity: str) -> Launch:
                body = {
                    "room_name": "lobby",
                    "url": server.url,
                    "token": token(identity=identity, key=server.key, secret=server.secret),
                }
                async with http.post(f"{launcher.url}/launch/{name}", json=body) as answer:
                    assert answer.status == 200, await answer.text()
                    one = launcher.pool.launches[(await answer.json())["id"]]
                await until(lambda: one.state is LaunchState.JOINED, within=60)
                return one

            cold = await launch("cold", "cold")
            await until(lambda: launcher.pool.warm("ahead") == 1, within=60)
            await asyncio.sleep(5)  # it imports LiveKit's client meanwhile
            warm = await launch("ahead", "avatar")
            print(f"from POST to ACTIVE: cold {cold.joined_after} ms, started ahead {warm.joined_after} ms")  # noqa: T201

            for pid in alive(warm.id):
                os.kill(pid, signal.SIGKILL)
            await until(lambda: warm.ended, within=30)
            again = await launch("cold", "avatar")
            new = await launch("cold", "avatar")

            assert (warm.end, warm.exit_signal) == (LaunchEnd.CRASHED, "SIGKILL")
            assert again.end is LaunchEnd.REPLACED
            assert len({warm.participant, again.participant, new.participant}) == 3
            assert await identities(server) == ["alice", "avatar", "cold"]
        assert [pid for one in (cold, new) for pid in alive(one.id)] == []


async def identities(server: Server) -> list[str]:
    """Who is in the room, as LiveKit says."""
    async with LiveKitAPI(server.url, server.key, server.secret) as api:
        listed = await api.room.list_participants(ListParticipantsRequest(room="lobby"))
        return sorted(one.identity for one in listed.participants)
