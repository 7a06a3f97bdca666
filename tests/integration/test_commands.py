"""The commands that ask a running service, as somebody types them."""

import asyncio
import io
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, redirect_stdout
from functools import partial
from typing import Any, Final, TypeAlias

import pytest
from aiohttp import ClientSession
from msgspec.structs import replace

from dispatcher.app import running
from dispatcher.cli import client
from dispatcher.cli.main import main
from dispatcher.cli.wakes import Pauses
from dispatcher.config import ApiToken, Secret
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, Timings
from tests.integration.house import SPEED, TOKEN, Ears, House, config, house, rule
from tests.integration.situations import broken

NOBODY: Final = rule("nobody", name="nobody", kinds=frozenset({"SIP"}), attempts=1)
SALES: Final = ("--room", "lobby", "--agent-name", "sales")

Type: TypeAlias = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types a command against a service, with its token; the exit code, the output and the errors."""
    monkeypatch.setenv("DISPATCHER_API_TOKEN", TOKEN)
    monkeypatch.delenv("DISPATCHER_API_TOKEN_FILE", raising=False)

    async def type_(here: House, *words: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, [*words, "--url", here.service.url])
        return code, *capsys.readouterr()

    return type_


@asynccontextmanager
async def lobby() -> AsyncIterator[House]:
    """The room `lobby` lives, no rule is for it, and `sales` has a worker."""
    async with house(NOBODY) as here:
        here.livekit.workers.register("sales")
        await here.livekit.rooms.open("lobby")
        yield here


def told(output: str) -> dict[str, Any]:
    """The one JSON object that was printed."""
    [line] = output.splitlines()
    one: dict[str, Any] = json.loads(line)
    return one


async def test_an_agent_is_ordered_cancelled_and_tried_again(typed: Type) -> None:
    """With `--wait` each command ends when it is so."""
    async with lobby() as here:
        code, out, err = await typed(here, "dispatch", "create", *SALES, "--wait", "--metadata", "{}")
        assert (code, err) == (0, "")
        head, row, diagnosis = out.splitlines()
        assert re.fullmatch("ROOM +PROJECT +ASSIGNMENT +STATE +AGENT", head)
        assert re.fullmatch("lobby +default +request:[0-9a-f]+ +served +sales", row)
        assert diagnosis.startswith("Served: `sales` has been in the room")
        assert [one.metadata for one in here.livekit.rooms.dispatches_in("lobby")] == ["{}"]

        assignment = row.split()[2]
        code, out, _ = await typed(here, "dispatch", "cancel", "--room", "lobby", assignment, "--wait")
        assert (code, out.splitlines()[1].split()[3]) == (0, "finished")
        await here.livekit.wait_until(lambda: not here.livekit.rooms.agents_in("lobby"))
        code, out, _ = await typed(here, "retry", "--room", "lobby", assignment, "--wait=10s")
        assert (code, out.splitlines()[1].split()[3]) == (0, "served")


async def test_the_same_key_is_the_same_agent_and_no_key_another(typed: Type) -> None:
    """Over two calls of the command."""
    async with lobby() as here:
        keyed = ("dispatch", "create", *SALES, "--idempotency-key", "k1", "--json", "--wait")
        first, again = [told((await typed(here, *keyed))[1]) for _ in range(2)]
        assert (first["state"], first["assignment"]) == ("served", again["assignment"])
        assert len(here.livekit.rooms.agents_in("lobby")) == 1
        await typed(here, "dispatch", "create", *SALES, "--wait")
        assert len(here.livekit.rooms.agents_in("lobby")) == 2


async def test_an_agent_that_does_not_come_is_exit_code_1(typed: Type) -> None:
    """With `--wait`, and the reason; without, it was taken: 0."""
    async with lobby() as here:
        code, out, _ = await typed(here, "dispatch", "create", "--room", "lobby", "--agent-name", "a", "--wait=0s")
        assert (code, out.splitlines()[1].split()[3]) == (1, "waiting")
        code, out, _ = await typed(here, "dispatch", "create", "--room", "lobby", "--rule", "nobody", "--wait")
        assert (code, out.splitlines()[1].split()[3]) == (1, "starved")
        assert "is one registered as `nobody`" in out
        code, out, _ = await typed(here, "dispatch", "create", "--room", "lobby", "--agent-name", "b")
        assert (code, out.splitlines()[1].split()[3]) == (0, "waiting")


async def test_a_refusal_is_told_in_the_services_words(typed: Type) -> None:
    """On standard error; as JSON on standard output, so that a script has one object in any case. Exit code 1."""
    async with lobby() as here:
        code, out, err = await typed(here, "dispatch", "create", "--room", "attic", "--agent-name", "sales")
        assert (code, out, err) == (1, "", "no room of this name lives in project default\n")
        assert await typed(here, "look", "attic") == (1, "", "no room lives that is called attic\n")
        code, out, err = await typed(here, "retry", "--room", "lobby", "front", "--json")
        assert (code, err) == (1, "")
        assert told(out) == {
            "status": 404,
            "error": "unknown_assignment",
            "detail": "the room has no such assignment; it has none",
            "field": "",
        }
        await typed(here, "dispatch", "create", *SALES, "--wait")
        code, _, err = await typed(here, "retry", "--room", "lobby", "front")
        assert code == 1
        assert re.fullmatch(r"the room has no such assignment; it has request:[0-9a-f]+\n", err)
        code, _, err = await typed(here, "rooms", "--project", "other")
        assert (code, err) == (1, "project: one of default\n")


async def test_another_token_is_told_what_to_set(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the token is not shown."""
    monkeypatch.setenv("DISPATCHER_API_TOKEN", "a-wrong-one")
    async with lobby() as here:
        code, out, err = await typed(here, "rooms")
    assert (code, out) == (1, "")
    assert err == "the token was refused: set DISPATCHER_API_TOKEN to the service's\n"


async def test_status_tells_how_the_service_stands(typed: Type) -> None:
    """What is wrong comes first; who waits for longest, what comes in, and who answers."""
    async with house(rule("greeter", attempts=1)) as here:
        code, out, err = await typed(here, "status")
        assert (code, err) == (0, "")
        assert {
            "assignments": "none: no room lives",
            "longest wait": "nobody waits",
            "webhooks": "none since the start",
            "  last webhook": "none since the start",
        }.items() <= stands(out).items()
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("assignment.starved")
        await here.livekit.stop_api()
        await here.told("look.failed")
        out = (await typed(here, "status"))[1]
        assert out.startswith("LiveKit has not answered for ")
        now = stands(out)
        assert (now["ledger"], now["LiveKit of default"]) == ("answers", "failing")
        assert re.fullmatch(r"\d\.\d s, since \d\d:\d\d:\d\d UTC, in lobby \(project default\)", now["longest wait"])
        assert re.fullmatch(r"\d\d:\d\d:\d\d UTC", now["  last webhook"])
        assert told((await typed(here, "status", "--json"))[1])["this_replica"]["ledger"] == "answers"


def stands(output: str) -> dict[str, str]:
    """The rows of `status`."""
    table = output.partition("WHAT ")[2].splitlines()[1:]
    return dict(re.split(r"(?<=\S)  +", row, maxsplit=1) for row in table)


async def test_status_without_the_ledger_and_for_some_projects(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all replicas share is not known then; what came in for all projects is not told to everybody."""
    some = ApiToken(name="some", token=Secret("of-some"), scopes=frozenset({"read"}), projects=frozenset({"default"}))
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        settings = replace(config(livekit.url, NOBODY), api_tokens=(some,))
        async with running(settings, Log(lambda _line: None, time.time), version="test") as service:
            monkeypatch.setenv("DISPATCHER_API_TOKEN", "of-some")
            with broken(service.ledger):
                here = House(livekit, service, Ears())
                now = stands((await typed(here, "status"))[1])
                assert set(now) >= {"instance", "ledger", "LiveKit of default", "configuration"}
                assert set(now) & {"assignments", "longest wait", "webhooks"} == set()
                code, _, err = await typed(here, "agents")
                assert (code, err.splitlines()[-1]) == (1, "its ledger cannot be asked now")
                assert err.startswith("The ledger (REDIS_URL) has not answered")


async def test_rooms_are_listed(typed: Type) -> None:
    """A line for each assignment, a dash for a room without one; one state alone; as JSON."""
    front = replace(rule("greeter", name="front"), when=lambda room, _: room.name == "lobby")
    async with house(front) as here:
        here.livekit.workers.register("greeter")
        for room in ("lobby", "x\x1b[2Jy"):
            await here.livekit.rooms.join(room, "alice")
        await here.told("agent.joined")
        code, out, err = await typed(here, "rooms", "--limit", "10")
        assert (code, err) == (0, "")
        head, *rows = out.splitlines()
        heads = ["ROOM", "PROJECT", "ASSIGNMENT", "STATE", "AGENT", "WAITS", "SINCE", "LIKELIEST", "CAUSE"]
        assert head.split() == heads
        assert sorted(row.split() for row in rows) == [
            ["lobby", "default", "front", "served", "greeter", "-", "-"],
            [r"x\x1b[2Jy", "default", "-", "-", "-", "-", "-"],
        ]
        code, out, err = await typed(here, "rooms", "--limit", "1")
        assert (len(out.splitlines()), err) == (2, "the first 1, there may be more: --limit\n")
        code, out, _ = await typed(here, "rooms", "--state", "served", "--project", "default", "--json")
        [room] = told(out)["rooms"]
        for narrowed in (("--match", "LOB"), ("--rule", "front"), ("--agent-name", "greeter")):
            assert told((await typed(here, "rooms", *narrowed, "--json"))[1])["rooms"] == [room]
        assert told((await typed(here, "rooms", "--sort", "wait", "--json"))[1])["rooms"] == []
        assert (code, room["room"], room["assignments"][0]["state"]) == (0, "lobby", "served")
        await here.livekit.rooms.close("lobby")
        await here.told("room.finished")
        [ended] = told((await typed(here, "rooms", "--sort", "ended", "--json"))[1])["rooms"]
        assert (ended["sid"], ended["finished"], ended["ended_at"] >= ended["since"]) == (room["sid"], True, True)
        code, out, _ = await typed(here, "rooms", "--sort", "ended")
        head, row = out.splitlines()
        assert (code, head.split()[-3]) == (0, "ENDED")
        assert re.fullmatch(r"lobby +default +front +\w+ +greeter +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC +-", row)
        assert (await typed(here, "rooms", "--match", "lobby"))[1].splitlines()[1:] == []


async def test_a_room_is_looked_at(typed: Type) -> None:
    """Which session, of which project."""
    async with lobby() as here:
        await typed(here, "dispatch", "create", *SALES, "--wait")
        code, out, _ = await typed(here, "look", "lobby")
        assert code == 0
        assert re.fullmatch(r"lobby \(RM_\w+, project default\): is looked at now\n", out)
        code, out, _ = await typed(here, "look", "lobby", "--project", "default", "--json")
        assert [one["project"] for one in told(out)["sessions"]] == ["default"]


async def test_explain_has_json_too(typed: Type) -> None:
    """All that the API says, of a room that is known and of one that is not."""
    async with lobby() as here:
        await typed(here, "dispatch", "create", *SALES, "--wait")
        code, out, _ = await typed(here, "explain", "lobby", "--json")
        assert (code, told(out)["sessions"][0]["timeline"][0]["agent"]) == (0, "sales")
        code, out, _ = await typed(here, "explain", "attic", "--json")
        assert (code, told(out)["error"]) == (1, "unknown_room")


class Interrupted(io.StringIO):
    """What is written, until somebody who has seen this presses Ctrl-C."""

    def __init__(self, seen: str) -> None:
        super().__init__()
        self.seen = seen

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.seen in self.getvalue():
            raise KeyboardInterrupt
        return written


@pytest.mark.parametrize(("command", "seen"), [(("rooms",), "served"), (("explain", "lobby"), "Served: `greeter`")])
async def test_a_view_is_shown_anew_as_the_service_tells_of_a_change(
    command: tuple[str, ...], seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else would have it shown within the hour."""
    out = Interrupted(seen)
    monkeypatch.setattr(client, "PAUSES", Pauses(apart=0.0, unheard=3_600, calm=3_600, again=0.1))
    monkeypatch.setenv("DISPATCHER_API_TOKEN", TOKEN)
    async with house(rule("greeter")) as here:
        here.livekit.workers.register("greeter")
        with redirect_stdout(out):
            view = asyncio.create_task(asyncio.to_thread(main, [*command, "--watch", "--url", here.service.url]))
            async with asyncio.timeout(60):
                while not out.getvalue():
                    await asyncio.sleep(0.01)
                await here.livekit.rooms.join("lobby", "alice")
                assert await view == 0


async def test_a_view_goes_on_until_it_is_interrupted() -> None:
    """It shows what changes, also that nobody answers; Ctrl-C is its end: exit code 0."""
    async with house(NOBODY) as here:
        environ = {**os.environ, "DISPATCHER_API_TOKEN": TOKEN}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dispatcher", "rooms", "--watch", "--url", here.service.url),
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),  # a shell's job ignores it
        )
        assert process.stdout
        async with asyncio.timeout(60):
            assert (await process.stdout.readline()).startswith(b"ROOM")
            await here.livekit.rooms.join("lobby", "alice")
            while b"lobby" not in await process.stdout.readline():
                pass
    async with asyncio.timeout(60):
        while b"is the service running there?" not in await process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ("dispatch", "create", "--room", "lobby"),
        ("dispatch", "create", "--room", "lobby", "--agent-name", "a", "--rule", "b"),
        ("dispatch", "create", "--agent-name", "a"),
        ("dispatch", "cancel", "--room", "lobby"),
        ("dispatch", "create", *SALES, "--wait", "soon"),
        ("dispatch", "create", *SALES, "--wait", "61s"),
        ("rooms", "--state", "odd"),
        ("rooms", "--limit", "many"),
        ("pause",),
        ("pause", "sales", "--for", "soon"),
        ("pause", "sales", "--for", "721h"),
        ("resume",),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_exit_code_2(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is asked."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: dispatcher" in capsys.readouterr().err


async def test_an_agent_is_paused_and_resumed(typed: Type) -> None:
    """Who, until when and why; who keeps it; and where the name is in no rule."""
    async with house(rule("greeter", name="front")) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        code, out, err = await typed(here, "pause", "greeter", "--for", "30m", "--reason", "deploy\x1b[2J")
        assert (code, err) == (0, "")
        paused, there = out.splitlines()
        by = r"paused by environment until (\S+ )?\d\d:\d\d:\d\d UTC: deploy\\x1b\[2J"
        assert re.fullmatch(rf"greeter \(project default\) is {by}", paused)
        assert there == "1 room has it, and keeps it"
        _, out, _ = await typed(here, "pause", "gretaer")
        assert out.splitlines()[1] == "no rule of project default names it outright: is the name right?"

        code, out, _ = await typed(here, "agents")
        head, *rows = out.splitlines()
        assert (code, head.split()[:3]) == (0, ["AGENT", "PROJECT", "CIRCUIT"])
        assert re.fullmatch(
            rf"greeter +default +closed +\S+ s ago +- +1 served +1 served \(95 % in \S+ s\), 0 failed +- +- +{by}",
            rows[0],
        )
        assert re.fullmatch(
            r"gretaer +default +closed +- +- +- +- +- +- +paused by environment until somebody.*", rows[1]
        )
        code, out, _ = await typed(here, "resume", "greeter", "--json")
        assert (code, told(out)["agent"], told(out)["paused"]) == (0, "greeter", None)
        code, out, _ = await typed(here, "agents", "--json")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with ClientSession(headers=headers) as http, http.get(f"{here.service.url}/v1/agents") as answer:
            assert (await answer.json())["agents"] == told(out)["agents"]
        assert [one["agent"] for one in told(out)["agents"] if one["paused"]] == ["gretaer"]
        assert await typed(here, "resume", "gretaer") == (0, "gretaer (project default) is paused no longer\n", "")


async def test_what_the_configuration_pauses_no_command_resumes(typed: Type) -> None:
    """Exit code 1, and who pauses it still."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        settings = config(livekit.url, rule("greeter"))
        projects = tuple(replace(one, paused=frozenset({"greeter"})) for one in settings.projects)
        ears = Ears()
        async with running(replace(settings, projects=projects), Log(ears.hear, time.time), version="test") as service:
            here = House(livekit, service, ears)
            still = "greeter (project default) is still paused by the configuration\n"
            assert await typed(here, "resume", "greeter", "--project", "default") == (1, still, "")
            code, _, err = await typed(here, "pause", "greeter", "--project", "other")
            assert (code, err) == (1, "project: one of default\n")
