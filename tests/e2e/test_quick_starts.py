"""docs/start-self-hosted.md and docs/start-cloud.md: each command is run as it stands there, in order.

Self-hosted is a real livekit-server with a real agent and somebody who joins. Cloud is a fake: the agent and whoever
joins are the fake's own, as the page says.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.e2e.quick import OWN, ROOT, STEPS_MAX, Shell, steps
from tests.real.install import BINARY
from tests.real.server import missing

CLOUD = "https://hooks.example.com"
READY = {  # what shows that a command which goes on is ready
    "livekit-server": "starting LiveKit server",
    "make run": "service.started",
    "make agent": "registered worker",
    "make join": "I am greeter",
}
SAID = {"lobby": "`greeter` has been in the room"}  # by the last word of a command; LiveKit lists a job up to 5 s late


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is started ends with the test."""
    with ExitStack() as stack:
        yield stack


def ready(command: str) -> str:
    """What the command writes when others may go on."""
    return next(said for started, said in READY.items() if started in command)


@pytest.mark.parametrize("page", ["start-self-hosted.md", "start-cloud.md"])
def test_a_quick_start_is_short(page: str) -> None:
    """Ten steps at most; what goes on running says so, as the next step needs another terminal."""
    found = steps(page)

    assert 0 < len(found) <= STEPS_MAX
    assert [step for step, command in found if (OWN in step) != any(one in command for one in READY)] == []


@pytest.mark.real
def test_every_command_for_an_own_server_does_what_the_page_says(tmp_path: Path, stack: ExitStack) -> None:
    """The doctor finds nothing wrong, the agent greets, and `explain` says that it is there; then that it is done."""
    if not BINARY.exists():
        missing(f"no {BINARY.name}: run `python -m tests.real.install`")
    subprocess.run(["make", ".venv/installed-try"], cwd=ROOT, check=True, capture_output=True)  # noqa: S607
    shell = Shell(tmp_path, stack)
    os.mkfifo(tmp_path / "typed")
    typing = os.open(tmp_path / "typed", os.O_RDWR)
    stack.callback(os.close, typing)
    said: dict[str, str] = {}
    for step, command in steps("start-self-hosted.md"):
        name, typed = command.split()[-1], command
        if name == "join":
            typed = f"{command.rstrip()} < {tmp_path}/typed"
        if OWN in step:
            said[name] = shell.started(typed, ready(command)).output()
        else:
            said[name] = shell.typed_until(typed, SAID.get(name, ""))

    assert "error" not in said["--room-trip"]
    assert re.search(
        r": Hello alice\. I am greeter, sent by rule default, attempt \d+\. Say bye, and I go\.\n", said["join"]
    )
    os.write(typing, b"bye\n")
    assert "somebody said bye" in shell.typed_until(command, "said so")


@pytest.mark.real
def test_every_command_for_cloud_does_what_the_page_says(tmp_path: Path, stack: ExitStack) -> None:
    """The doctor finds nothing wrong, and `explain` says that the agent is there."""
    subprocess.run(["make", ".venv/installed-try"], cwd=ROOT, check=True, capture_output=True)  # noqa: S607
    fake = {"wss://example.livekit.cloud": "http://127.0.0.1:7880", "APIabc": "devkey", CLOUD: "http://127.0.0.1:8080"}
    shell = Shell(tmp_path, stack, fake)
    livekit = shell.started(
        ".venv/bin/dispatcher fake-livekit --worker greeter --port 7880 --url http://127.0.0.1:8080", "webhooks go to"
    )
    secret = livekit.output().partition("LIVEKIT_API_SECRET=")[2].split()[0]
    for step, command in steps("start-cloud.md"):
        if "make agent" in command:
            continue
        if "make join" in command:
            urlopen(Request(f"http://127.0.0.1:{shell.ports['7880']}/fake/rooms/lobby/alice", method="POST"))
            continue
        typed = command.replace("secret-of-this-key", secret)
        if OWN in step:
            shell.started(typed, ready(typed))
        elif typed:
            said = shell.typed_until(typed, SAID.get(command.split()[-1], ""))
            assert "error" not in said
