"""docs/migrate.md on a real livekit-server: the three ways, with the commands and the output that the page shows."""

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
from livekit.api import ListParticipantsRequest, LiveKitAPI
from livekit.protocol.models import ParticipantInfo

from tests.e2e.quick import ROOT, Shell
from tests.real.child import Child
from tests.real.people import present
from tests.real.server import Server, free_port, listens, running_server
from tests.real.workers import start_worker, wait_registered

Way: TypeAlias = Literal["handler", "token", "automatic"]

PAGE = (ROOT / "docs/migrate.md").read_text()
RULES, REMOVING = (
    re.sub(r"^   ", "", block, flags=re.MULTILINE)
    for block in re.findall(r"   ```yaml\n(   rules:.*?)   ```", PAGE, re.DOTALL)
)
CHECK, BESIDE, EXPLAIN, FOR_GOOD = map(str, re.findall(r"   ```sh\n   (.*?)\n   ```", PAGE))
SHOWN: dict[Way, str] = {"handler": "From a handler of your own", "automatic": "From automatic dispatch"}
SEEN: dict[Way, str] = {
    "handler": "greeter is in the room (attempt 1)",
    "token": "greeter is in the room (attempt 1)",
    "automatic": "an agent is in the room that no rule asked for",
}
STARTED = "service.started"
ROOMS = ("lobby", "lobby-2", "lobby-3")


def lines(text: str) -> set[str]:
    """What was told, without its times."""
    told = re.findall(r"^ +\S+ UTC +\S+ s ago  (.*)$", text, re.MULTILINE)
    return {re.sub(r", \d\.\d\d s after", ", … after", one) for one in told}


def shown(heading: str) -> list[str]:
    """The transcripts below a heading of the page."""
    return re.findall(r"```console\n(.*?)```", PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0], re.DOTALL)


class Scene:
    """A real LiveKit that tells two addresses, and a shell in which the page's commands are typed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.handler_port, self.port = free_port(), free_port()
        urls = [f"http://127.0.0.1:{port}/webhook" for port in (self.handler_port, self.port)]
        self.server: Server = stack.enter_context(running_server(folder, webhooks=urls))
        (folder / "dispatcher.yaml").write_text(RULES)
        connection = {"URL": self.server.url, "API_KEY": self.server.key, "API_SECRET": self.server.secret}
        self.shell = Shell(
            folder,
            stack,
            environment={
                **{f"LIVEKIT_{name}": value for name, value in connection.items()},
                "DISPATCHER_CONFIG": str(folder / "dispatcher.yaml"),
                "DISPATCHER_API_TOKEN": "of-the-tests-of-the-tests",
                "DISPATCHER_PORT": str(self.port),
            },
        )

    def handler(self) -> Child:
        """What somebody has written by hand."""
        script = str(ROOT / "bench/field/handlers/aiohttp_handler.py")
        server = self.server
        command = [sys.executable, script, str(self.handler_port), server.url, server.key, server.secret]
        handler = self.stack.enter_context(Child(command, self.folder / "handler.log"))
        handler.wait_until(lambda: listens(self.handler_port), "the handler listens", within=60)
        return handler

    def worker(self, name: str) -> Child:
        """A worker of this name, or without one, that LiveKit knows."""
        worker = self.stack.enter_context(start_worker(self.server, self.folder, name))
        wait_registered(worker)
        return worker

    async def agents(self, room: str) -> list[str]:
        """The names of the agents that are there."""
        async with LiveKitAPI(self.server.url, self.server.key, self.server.secret) as api:
            listed = await api.room.list_participants(ListParticipantsRequest(room=room))
        return [one.attributes["lk.agent_name"] for one in listed.participants if one.kind == ParticipantInfo.AGENT]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Whatever is started ends with the test."""
    with ExitStack() as stack:
        yield Scene(tmp_path, stack)


def of(room: str) -> str:
    """The page's command, for this room."""
    return EXPLAIN.replace("lobby", room)


async def told_of_a_room(scene: Scene, way: Way, rooms: AsyncExitStack) -> tuple[str, str]:
    """A room in which the old way's agent is seen, and what is told of it: LiveKit loses a dispatch now and then."""
    for room in ROOMS:
        await rooms.enter_async_context(present(scene.server, room, agents=["greeter"] if way == "token" else ()))
        with suppress(AssertionError):
            return room, scene.shell.typed_until(of(room), SEEN[way], within=30)
    raise AssertionError(f"none of {ROOMS} was told to have its agent")


@asynccontextmanager
async def moved(scene: Scene, way: Way) -> AsyncIterator[tuple[Child, str]]:
    """The old way, the dry run beside it and what it tells of a room; then, in that room, the dispatcher for good."""
    scene.shell.typed(CHECK)
    dry = scene.shell.started(BESIDE, STARTED)
    old = scene.handler() if way == "handler" else scene.worker("") if way == "automatic" else dry
    if way != "automatic":
        scene.worker("greeter")
    async with AsyncExitStack() as rooms:
        room, told = await told_of_a_room(scene, way, rooms)
        assert "This is a dry run" in told
        assert way == "token" or lines(shown(SHOWN[way])[0]) <= lines(told)
        dry.stop()
        (scene.folder / "dispatcher.yaml").write_text(REMOVING if way == "automatic" else RULES)
        scene.shell.started(FOR_GOOD, STARTED)
        if way == "automatic":
            scene.worker("greeter")
        scene.shell.typed_until(of(room), "Served: `greeter` has been in the room")
        yield old, room


@pytest.mark.real
@pytest.mark.parametrize("way", ["handler", "token"])
async def test_agents_of_another_way_are_taken_over_and_then_asked_for(scene: Scene, way: Way) -> None:
    """The agent that is there stays, alone; without the old way the next room gets its own."""
    async with moved(scene, way) as (old, room):
        assert await scene.agents(room) == ["greeter"]
        if way == "handler":
            old.stop()
        async with present(scene.server, "next"):
            told = scene.shell.typed_until(of("next"), "Served: `greeter` has been in the room")
            assert "asked for greeter (attempt 1)" in told  # and again, should LiveKit lose it
            assert await scene.agents("next") == ["greeter"]


@pytest.mark.real
async def test_agents_without_a_name_make_way_for_those_with_one(scene: Scene) -> None:
    """As soon as a worker with the name is there; and in the end one agent is in the room."""
    async with moved(scene, "automatic") as (old, room):
        told = scene.shell.typed_until(of(room), "was told to go")
        assert lines(shown(SHOWN["automatic"])[1]) <= lines(told)
        assert await scene.agents(room) == ["greeter"]
        old.stop()


def test_every_command_of_the_page_is_one_that_is_typed() -> None:
    """In the order in which somebody moves, and nothing else."""
    assert re.findall(r"```sh\n *(.*)\n", PAGE) == [CHECK, BESIDE, EXPLAIN, FOR_GOOD]
    assert [one.split()[1] for one in (CHECK, BESIDE, EXPLAIN, FOR_GOOD)] == ["check", "serve", "explain", "serve"]
    assert set(re.findall(r"^ *\$ (.*)$", PAGE, re.MULTILINE)) == {EXPLAIN}
