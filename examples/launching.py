"""`make demo-launch`: a launcher at work, with real processes and a fake LiveKit that shows who is in the room.

A process is launched cold, another one warm; one is killed and asked for anew; one is replaced; one never joins. Its
limits are shortened: `join_within` is 3 s instead of 30.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import ClientSession
from livekit.api import AccessToken, VideoGrants

from dispatcher.config import Config, load
from dispatcher.launcher.launch import Launch, LaunchState
from dispatcher.launcher.server import LauncherPlace, RunningLauncher, running_launcher
from dispatcher.telemetry.logs import Log
from dispatcher.testing import DEV_KEYS, FakeLiveKit, participant

WITHIN_S = 60.0


async def main() -> int:
    """Play it; 0 if everything went as it should."""
    log = Log(sys.stdout.write, time.time, style="text")
    with tempfile.TemporaryDirectory() as folder:
        async with FakeLiveKit() as livekit, ClientSession() as http:
            await livekit.rooms.join("call", "alice")
            place = LauncherPlace(host="127.0.0.1", port=0, state=Path(folder) / "launches")
            config = configured(Path(folder), livekit.url)
            async with running_launcher(config, log, place, clock=epoch_ms, version="demo") as launcher:
                rows = await played(livekit, launcher, http)
    print("\n" + "\n".join(f"{what:<44}{how}" for what, how in rows))
    return 0


async def played(livekit: FakeLiveKit, launcher: RunningLauncher, http: ClientSession) -> list[tuple[str, str]]:
    """What was done, and what came of it."""

    async def launch(identity: str, path: str = "/launch") -> Launch:
        body = {"room_name": "call", "url": livekit.url, "token": token(identity)}
        async with http.post(f"{launcher.url}{path}", json=body) as answer:
            return launcher.pool.launches[(await answer.json())["id"]]

    print("\n── A process is started for the room: cold, then one that was started ahead")
    cold = await launch("cold", "/launch/cold")
    await stands(cold, LaunchState.JOINED)
    await until(lambda: launcher.pool.warm("avatar") == 1)
    warm = await launch("avatar")
    await stands(warm, LaunchState.JOINED)
    print("\n── It is killed from outside, and asked for anew")
    os.kill(warm.pid, signal.SIGKILL)
    await stands(warm, LaunchState.ENDED)
    again = await launch("avatar")
    await stands(again, LaunchState.JOINED)
    print("\n── Another token for the same identity replaces it")
    new = await launch("avatar")
    await stands(new, LaunchState.JOINED)
    print("\n── A process that never joins is started once more, and given up")
    absent = await launch("absent", "/launch/absent")
    await stands(absent, LaunchState.ENDED)
    print("\n── The room is over")
    await livekit.rooms.close("call")
    await stands(new, LaunchState.ENDED)
    return [
        ("cold, from POST to ACTIVE", f"{cold.joined_after} ms"),
        ("started ahead, from POST to ACTIVE", f"{warm.joined_after} ms"),
        ("killed from outside", f"{warm.end}, {warm.exit_signal}"),
        ("asked for anew, from POST to ACTIVE", f"{again.joined_after} ms"),
        ("replaced by another token", f"{again.end}; the new one was there after {new.joined_after} ms"),
        ("never joined", f"{absent.end} after {absent.tries} tries"),
        ("when the room was over", f"{new.end}"),
    ]


async def stands(launch: Launch, state: LaunchState) -> None:
    """The launch is in this state. Raises TimeoutError."""
    await until(lambda: launch.state is state)


async def until(claim: Callable[[], bool]) -> None:
    """The claim is true. Raises TimeoutError."""
    async with asyncio.timeout(WITHIN_S):
        while not claim():  # noqa: ASYNC110  a launch does not say when it changes
            await asyncio.sleep(0.02)


def configured(folder: Path, url: str) -> Config:
    """Three launchers: of processes that join, cold and started ahead, and of one that does not."""
    joins, sleeps = [sys.executable, participant.__file__], [sys.executable, "-c", "import time; time.sleep(600)"]
    launchers = {
        "avatar": {"command": joins, "limit": 3, "warm": 1},
        "cold": {"command": joins, "limit": 1},
        "absent": {"command": sleeps, "limit": 1, "join_within": "3s"},
    }
    file = folder / "dispatcher.yaml"
    file.write_text(json.dumps({"launchers": launchers}))
    key, secret = next(iter(DEV_KEYS.items()))
    return load(file, {"LIVEKIT_URL": url, "LIVEKIT_API_KEY": key, "LIVEKIT_API_SECRET": secret})


def token(identity: str) -> str:
    """A token as an agent makes one for its avatar; no two are the same."""
    key, secret = next(iter(DEV_KEYS.items()))
    grants = VideoGrants(room_join=True, room="call")
    made = AccessToken(key, secret).with_identity(identity).with_kind("agent").with_name(str(time.time_ns()))
    return made.with_grants(grants).to_jwt()


def epoch_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
