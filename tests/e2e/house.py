"""The service as a process beside a real livekit-server, real workers and real people: processes on loopback."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from livekit.api import ListParticipantsRequest, LiveKitAPI
from livekit.protocol.agent_dispatch import AgentDispatch
from livekit.protocol.models import ParticipantInfo

from tests.real.child import Child
from tests.real.install import VERSION
from tests.real.server import Server, free_port, running_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running `dispatcher serve`: what it writes is in its log, as JSON lines."""

    url: str
    process: Child

    def lines(self, **fields: object) -> list[dict[str, Any]]:
        """The lines so far that have these fields."""
        whole = self.process.output().splitlines()
        lines = [json.loads(line) for line in whole if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if fields.items() <= line.items()]

    async def told(self, action: str, within: float = 20.0, **fields: object) -> dict[str, Any]:
        """The first line of this action and these fields, as soon as it is there."""
        try:
            async with asyncio.timeout(within):
                while not (found := self.lines(action=action, **fields)):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{action} {fields} not told:\n{self.process.output()}") from None
        return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A real LiveKit, and the service that its webhooks go to."""

    server: Server
    service: Service

    async def asked(self, room: str, within: float = 20.0) -> list[AgentDispatch]:
        """The dispatches of named agents that LiveKit lists in the room, as soon as there is one."""
        async with asyncio.timeout(within), LiveKitAPI(self.server.url, self.server.key, self.server.secret) as api:
            while not (found := [one for one in await api.agent_dispatch.list_dispatch(room) if one.agent_name]):
                await asyncio.sleep(0.02)
        return found

    async def agents(self, room: str) -> list[ParticipantInfo]:
        """The agents that LiveKit lists in the room as ACTIVE."""
        async with LiveKitAPI(self.server.url, self.server.key, self.server.secret) as api:
            listed = await api.room.list_participants(ListParticipantsRequest(room=room))
        active = [one for one in listed.participants if one.state == ParticipantInfo.ACTIVE]
        return [one for one in active if one.kind == ParticipantInfo.AGENT]


@contextmanager
def serving(
    server: Server, directory: Path, port: int, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """`dispatcher serve` is ready. It is told to stop at the end, and has 12 s for it."""
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "dispatcher", "serve", "--log", "json", *arguments]
    settings = {
        "LIVEKIT_URL": server.url,
        "LIVEKIT_API_KEY": server.key,
        "LIVEKIT_API_SECRET": server.secret,
        "DISPATCHER_HOST": "127.0.0.1",
        "DISPATCHER_PORT": str(port),
    }
    process = Child(command, directory / "dispatcher.log", environment={**settings, **(environment or {})})
    try:
        process.wait_until(lambda: _ready(url), "the service is ready", within=30)
        yield Service(url=url, process=process)
    finally:
        process.stop(within=12)


@contextmanager
def house(
    directory: Path,
    rules: Sequence[Mapping[str, object]] = (),
    *,
    version: str = VERSION,
    workers: Sequence[str] = (),
    api_tokens: Sequence[Mapping[str, object]] = (),
    launchers: Mapping[str, object] | None = None,
    probe: Mapping[str, object] | None = None,
    **defaults: object,
) -> Iterator[House]:
    """LiveKit and the service run; without rules every room that somebody joins assignments `greeter`."""
    port = free_port()
    with running_server(directory, webhooks=[f"http://127.0.0.1:{port}/webhook"], version=version) as server:
        file = directory / "dispatcher.yaml"
        chosen = rules or [{"name": "everyone", "agent": "greeter"}]
        written = {"rules": list(chosen), "defaults": defaults, "workers": list(workers)}
        written |= {"api_tokens": list(api_tokens)} if api_tokens else {}
        written |= {"launchers": launchers} if launchers else {}
        written |= {"probe": dict(probe)} if probe else {}
        file.write_text(json.dumps(written))  # JSON is YAML
        with serving(server, directory, port, "--config", str(file)) as service:
            yield House(server=server, service=service)


def idle_processes(worker: Child) -> list[int]:
    """What this worker keeps ready for its next jobs: the children of Python's fork server, which is its own child."""
    return [idle for child in _children(worker.pid) for idle in _children(child)]


def _children(pid: int) -> list[int]:
    """Of all its threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


def _ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=1) as answer:  # noqa: S310 - our own loopback URL
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
