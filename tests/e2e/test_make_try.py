"""`make try`: all of it comes up, says that it worked, and ends with Ctrl-C, whole."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from examples import together
from tests.real.install import BINARY
from tests.real.server import missing

ROOT = Path(__file__).parents[2]
WITHIN_S = 150.0  # two workers' starts on a busy machine


def mine(token: str) -> Iterator[str]:
    """The command lines of processes that have this token in their environment."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"DISPATCHER_API_TOKEN={token}".encode() in (process / "environ").read_bytes():
                yield (process / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended meanwhile
            continue


@pytest.mark.parametrize(
    ("built", "there", "server"),
    [
        (True, (), ".tools/livekit-server"),
        (False, ("livekit-server", "go"), "/usr/bin/livekit-server"),
        (False, ("go",), ".tools/livekit-server"),
    ],
)
def test_a_server_is_found_or_built(
    built: bool, there: tuple[str, ...], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one of the tests, the one in PATH, or one that Go makes, in this order."""
    binary = tmp_path / ".tools/livekit-server"
    binary.parent.mkdir()
    if built:
        binary.touch()
    monkeypatch.setattr(together, "BINARY", binary)
    monkeypatch.setattr(together, "install", binary.touch)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in there else None)

    assert str(together.livekit_server()).removeprefix(f"{tmp_path}/") == server


def test_without_a_server_and_without_go_it_says_where_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started."""
    monkeypatch.setattr(together, "BINARY", tmp_path / "livekit-server")
    monkeypatch.setattr(shutil, "which", lambda _: None)

    with pytest.raises(together.GivenUp, match="neither livekit-server nor go is in PATH"):
        together.livekit_server()


@pytest.mark.real
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_all_of_it_comes_up_and_ends_with_one_ctrl_c(tmp_path: Path) -> None:
    """The agent says which rule asked for it, `explain` that it is there; afterwards no process is left."""
    if not BINARY.exists():
        missing(f"no {BINARY.name}: run `python -m tests.real.install`")
    said = tmp_path / "said"
    with said.open("wb") as output:
        command = [sys.executable, "-m", "examples.together"]
        heeds = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # a shell's job ignores Ctrl-C
        running = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, preexec_fn=heeds)  # noqa: PLW1509
    try:
        end = time.monotonic() + WITHIN_S
        while "Ctrl-C ends all of it" not in said.read_text() and running.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        children = list(mine((ROOT / ".try/token").read_text()))
        running.send_signal(signal.SIGINT)
        code = running.wait(30)
    finally:
        running.kill()
        running.wait()
    told = said.read_text()

    assert code == 0, told
    assert "  greeter: Hello alice. I am greeter, sent by rule everyone, attempt 1. Say bye, and I go.\n" in told
    assert "It worked: alice heard her agent" in told
    assert "greeter is in the room (attempt 1)" in told
    assert told.endswith("\nAll of it has ended.\n")
    assert any("dispatcher serve" in one for one in children)
    assert any("examples/agent/agent.py" in one for one in children)
    assert list(mine((ROOT / ".try/token").read_text())) == []
    assert {(ROOT / ".try" / name).stat().st_mode & 0o777 for name in ("token", "secret", "env")} == {0o600}
