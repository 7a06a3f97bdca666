"""`dispatcher launcher` and `dispatcher launches`, as somebody types them."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from dispatcher.cli.main import main
from dispatcher.launcher.records import Records
from dispatcher.testing import DEV_KEYS
from tests.launcher.launched import API_TOKEN, Stage, avatar, stage
from tests.real.server import free_port

Type: TypeAlias = Callable[..., Awaitable[tuple[int, str, str]]]
FILE = "launchers: {avatar: {command: [python, avatar.py], limit: 8}}\n"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types `dispatcher launches` against a launcher; the exit code, the output and the errors."""
    monkeypatch.setenv("DISPATCHER_API_TOKEN", API_TOKEN)
    monkeypatch.delenv("DISPATCHER_API_TOKEN_FILE", raising=False)

    async def type_(one: Stage, *words: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, ["launches", "--url", one.launcher.url, *words])
        return code, *capsys.readouterr()

    return type_


async def test_launches_are_listed_shown_and_stopped(tmp_path: Path, typed: Type) -> None:
    """The start of an id is enough; those that have ended are listed where that is asked."""
    async with stage(tmp_path, avatar("telling")) as one:
        launch_id = await one.launch()
        await one.until(launch_id, "joined")
        code, out, _ = await typed(one)
        head, row, free = out.splitlines()
        assert (code, free) == (0, "free places: avatar 7")
        assert head.split()[:5] == ["LAUNCH", "LAUNCHER", "ROOM", "IDENTITY", "STATE"]
        assert row.split()[:5] == [launch_id[:8], "avatar", "lobby", "avatar", "joined"]
        assert "MiB" in row

        code, out, _ = await typed(one, "--show", launch_id[:6], "--lines", "2")
        assert (code, len(out.splitlines())) == (0, 2)
        assert out.startswith("arguments ['telling']\nline {")

        assert await typed(one, "--stop", launch_id) == (0, f"{launch_id} has ended: stopped\n", "")
        assert (await typed(one))[1].splitlines()[1:] == ["free places: avatar 8"]
        assert "ended: stopped" in (await typed(one, "--all"))[1]


async def test_json_is_the_api_s_answer(tmp_path: Path, typed: Type) -> None:
    """For programs; a launch that never joined has no time for it."""
    async with stage(tmp_path, avatar("absent")) as one:
        launch_id = await one.launch()
        [shown] = json.loads((await typed(one, "--json"))[1])["launches"]
        assert (shown["id"], shown["state"], shown["joined_after_ms"]) == (launch_id, "starting", None)
        assert "starting" in (await typed(one))[1]
        stopped = json.loads((await typed(one, "--stop", launch_id, "--json"))[1])
        assert (stopped["why"], stopped["pid"]) == ("stopped", None)


async def test_what_cannot_be_done_is_told_in_a_sentence(
    tmp_path: Path, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id that none has, a token that is none, and an address where nobody is."""
    async with stage(tmp_path) as one:
        assert await typed(one, "--show", "zz") == (1, "", "0 launches have an id that begins so\n")
        code, _, said = await typed(one, "--url", f"http://127.0.0.1:{free_port()}")
        assert (code, "is the service running there?" in said) == (1, True)
        monkeypatch.setenv("DISPATCHER_API_TOKEN", "another")
        code, _, said = await typed(one)
        assert (code, len(said.splitlines())) == (1, 1)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working directory with a launcher's file, and a LiveKit's address and keys."""
    for name in [name for name in os.environ if name.startswith(("LIVEKIT_", "DISPATCHER_"))]:
        monkeypatch.delenv(name)
    [(key, secret), *_] = DEV_KEYS.items()
    for name, value in (("URL", "ws://127.0.0.1:9"), ("API_KEY", key), ("API_SECRET", secret)):
        monkeypatch.setenv(f"LIVEKIT_{name}", value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dispatcher.cli.launcher.adopt_orphans", lambda: None)  # else the tests' own process does
    (tmp_path / "dispatcher.yaml").write_text(FILE)
    return tmp_path


def test_a_launcher_runs_until_it_is_told_to_stop(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It says where it answers, that it stops and that it has stopped: exit code 0."""
    port = free_port()
    teller = threading.Thread(target=_stop_when_ready, args=(port,))
    teller.start()
    assert main(["launcher", "--port", str(port), "--state", str(folder / "state"), "--log", "json"]) == 0
    teller.join()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    assert [line["action"] for line in lines] == ["launcher.started", "launcher.stopping", "launcher.stopped"]
    assert (lines[0]["url"], lines[0]["launchers"]) == (f"http://127.0.0.1:{port}/launch", ["avatar"])


def _stop_when_ready(port: int) -> None:
    """SIGTERM is sent once the launcher answers: its handler is there by then."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                os.kill(os.getpid(), signal.SIGTERM)
                return
        except (URLError, OSError):
            time.sleep(0.02)


def test_a_launcher_whose_folder_or_address_is_taken_says_so(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With exit code 1, and what it could not have."""
    words = ["launcher", "--log", "json", "--port", "0", "--state", str(folder / "state")]
    with Records(folder / "state").held():
        assert main(words) == 1
    assert main([*words, "--host", "192.0.2.1"]) == 1  # no machine has this address
    first, second = (json.loads(line) for line in capfd.readouterr().out.splitlines())

    assert (first["action"], "another launcher works in" in first["why"]) == ("launcher.refused", True)
    assert (second["action"], second["address"]) == ("launcher.refused", "192.0.2.1:0")


def test_a_launcher_needs_a_launcher_in_its_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The service's file alone is none, nor is one that only says where launchers are asked."""
    for text in ("", "launchers: {avatar: {urls: ['http://gpu-1:8089']}}\n"):
        (folder / "dispatcher.yaml").write_text(f"{text}rules: [{{name: all, agent: greeter}}]\n")

        assert main(["launcher"]) == 2
        assert "launchers: missing; write a launcher" in capsys.readouterr().err
