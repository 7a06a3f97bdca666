"""A running launcher beside a fake LiveKit, whose processes are real: what the tests of the launcher are played in."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from aiohttp import ClientSession
from livekit.api import AccessToken, VideoGrants
from msgspec.structs import replace

from dispatcher.config import ApiToken, Config, LauncherSettings, Project, Secret, SweepSettings
from dispatcher.launcher import kin
from dispatcher.launcher.server import LauncherPlace, RunningLauncher, running_launcher
from dispatcher.telemetry.logs import Log
from dispatcher.testing import DEV_KEYS, FakeLiveKit, Timings

CHILD = Path(__file__).with_name("launched_child.py")
API_TOKEN = "an-operators-token"
FAST = Timings(removal=0.02)
_NUMBERS = count(1)


def token(
    room: str = "lobby",
    identity: str = "avatar",
    *,
    kind: str = "agent",
    behalf: str = "",
    key: str = "devkey",
    secret: str = DEV_KEYS["devkey"],
    grants: VideoGrants | None = None,
) -> str:
    """A token as an agent makes one for its avatar; no two are the same."""
    made = AccessToken(key, secret).with_identity(identity).with_kind(kind).with_name(f"number {next(_NUMBERS)}")  # type: ignore[arg-type]
    made = made.with_grants(grants or VideoGrants(room_join=True, room=room))
    return made.with_attributes({"lk.publish_on_behalf": behalf} if behalf else {}).to_jwt()


def avatar(behaviour: str = "joined", *more: str, **settings: object) -> LauncherSettings:
    """A launcher whose processes behave like this; -S: they start in a tenth of the time."""
    usual = LauncherSettings(
        name="avatar", command=(sys.executable, "-S", str(CHILD), behaviour, *more), limit=8, stop_within=2_000
    )
    return replace(usual, **settings)


@dataclass
class Stage:
    """A launcher, its LiveKit, and what the launcher has said."""

    livekit: FakeLiveKit
    launcher: RunningLauncher
    http: ClientSession
    state: Path
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def post(self, room: str = "lobby", *, path: str = "/launch", **body: object) -> tuple[int, dict[str, Any]]:
        """Ask for a launch, with a new token unless the body has one."""
        asked = {"room_name": room, "url": self.livekit.url, "token": body.get("token") or token(room)} | body
        async with self.http.post(f"{self.launcher.url}{path}", json=asked) as answer:
            return answer.status, await answer.json(content_type=None)

    async def launch(self, room: str = "lobby", *, path: str = "/launch", **body: object) -> str:
        """A launch's id."""
        status, answer = await self.post(room, path=path, **body)
        assert (status, answer["status"]) == (200, "success"), answer
        return str(answer["id"])

    async def get(self, path: str) -> dict[str, Any]:
        """What the API or a probe answers."""
        shown: dict[str, Any] = json.loads(await self.text(path))
        return shown

    async def text(self, path: str) -> str:
        """The same, where it is text."""
        headers = {"Authorization": f"Bearer {API_TOKEN}"}
        async with self.http.get(f"{self.launcher.url}{path}", headers=headers) as answer:
            return await answer.text()

    async def stop(self, launch_id: str) -> dict[str, Any]:
        """What an order to stop is answered."""
        headers = {"Authorization": f"Bearer {API_TOKEN}"}
        async with self.http.post(f"{self.launcher.url}/v1/launches/{launch_id}/stop", headers=headers) as answer:
            assert answer.status == 200
            shown: dict[str, Any] = await answer.json()
            return shown

    async def until(self, launch_id: str, state: str, within: float = 40.0) -> dict[str, Any]:
        """The launch, as the API shows it, once it is in this state."""
        end = time.monotonic() + within
        while True:
            shown: dict[str, Any] = await self.get(f"/v1/launches/{launch_id}")
            if shown["state"] == state:
                return shown
            assert time.monotonic() < end, f"never {state}: {shown}\n{self.said(launch_id)}"
            await asyncio.sleep(0.02)

    def said(self, launch_id: str) -> list[str]:
        """The actions logged of a launch."""
        return [line["action"] for line in self.lines if line.get("launch") == launch_id]

    def identities(self, room: str = "lobby") -> list[str]:
        """Who is in the room."""
        live = self.livekit._world.rooms.get(room)  # noqa: SLF001
        return [one.identity for one in live.participants.values()] if live else []


@asynccontextmanager
async def stage(
    tmp_path: Path, *launchers: LauncherSettings, api_tokens: tuple[ApiToken, ...] = ()
) -> AsyncIterator[Stage]:
    """The launcher runs. In the room lobby are an agent and a caller."""
    async with FakeLiveKit(timings=FAST) as fake, restaged(fake, tmp_path, *launchers, api_tokens=api_tokens) as one:
        yield one


@asynccontextmanager
async def restaged(
    fake: FakeLiveKit, tmp_path: Path, *launchers: LauncherSettings, api_tokens: tuple[ApiToken, ...] = ()
) -> AsyncIterator[Stage]:
    """A launcher beside a LiveKit that is there."""
    lines: list[dict[str, Any]] = []
    log = Log(lambda line: lines.append(json.loads(line)), time.time)
    if not fake.rooms.people_in("lobby"):
        await fake.rooms.join("lobby", "alice")
        await fake.rooms.join("lobby", "agent-1", kind="AGENT")
    place = LauncherPlace(host="127.0.0.1", port=0, state=tmp_path / "launches")
    config = replace(configured(fake.url, *launchers), api_tokens=api_tokens)
    async with (
        ClientSession() as http,
        running_launcher(config, log, place, clock=epoch_ms, version="test") as launcher,
    ):
        yield Stage(fake, launcher, http, place.state, lines)


def configured(url: str, *launchers: LauncherSettings) -> Config:
    """A configuration that has launchers and no rules."""
    keys = {key: Secret(secret) for key, secret in DEV_KEYS.items()}
    return Config(
        projects=(Project(name="default", url=url, keys=keys),),
        rules=(),
        instance="test",
        sweep=SweepSettings(),
        create_rate=None,
        host="127.0.0.1",
        port=0,
        ledger=None,
        api_token=Secret(API_TOKEN),
        file=None,
        warnings=(),
        launchers=launchers or (avatar(),),
    )


def epoch_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


def alive(launch_id: str) -> list[int]:
    """The processes that bear a launch's mark and run."""
    return [one.pid for one in kin.census({}).get(launch_id, []) if not one.zombie]


def running(pid: int) -> bool:
    """Whether a process of this number is there and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(claim: Callable[[], object], within: float = 20.0) -> None:
    """The claim is true."""
    async with asyncio.timeout(within):
        while not claim():
            await asyncio.sleep(0.02)
