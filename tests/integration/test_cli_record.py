"""`serve --record` and `replay` as somebody types them: what they print, and with which code they end."""

from pathlib import Path

import pytest

from dispatcher.cli.main import main
from dispatcher.telemetry.tape.files import tapes
from dispatcher.testing import FakeLiveKit, Timings
from tests.integration.house import SPEED
from tests.integration.test_cli import serving, shell
from tests.real.server import free_port
from tests.unit.core.world import person
from tests.unit.offline.claims import Played, config
from tests.unit.telemetry.tape.reel import hiding, kept, taped

__all__ = ["shell"]

GREETER = "rules: [{name: all, agent: greeter}]\n"
OTHER = "rules: [{name: all, agent: sales}]\n"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A folder with the tape of one room."""
    with taped(hiding()) as (made, lines):
        Played(made, config(tmp_path, GREETER)).look(person())
    return kept(tmp_path / "tape", lines)


async def test_what_a_process_has_recorded_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says where it records; what it did is on the tape when it has ended, and for its owner alone."""
    folder = tmp_path / "tape"
    async with (
        FakeLiveKit(timings=Timings(speed=SPEED)) as livekit,
        serving(tmp_path, livekit, "--record", str(folder)) as service,
    ):
        livekit.workers.register("greeter")
        await livekit.rooms.join("lobby", "alice")
        await service.told("agent.joined")
        service.process.terminate()
        await service.told("service.stopped")
        await service.process.wait()
    recording = next(line for line in service.lines if line["action"] == "tape.started")
    assert (recording["level"], recording["folder"], recording["plain"]) == ("info", str(folder), False)
    assert [path.stat().st_mode & 0o777 for path in (folder, *tapes(folder))] == [0o700, 0o600]
    assert main(["replay", str(folder)]) == 0
    assert " claims of 1 rooms: " in capsys.readouterr().out


def test_a_replay_says_what_differs_by_its_exit_code(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 where nothing does, 1 where something does."""
    assert main(["replay", str(tape)]) == 0
    assert capsys.readouterr().out == "1 claims of 1 rooms: 1 identical, 0 different\n"
    for rules, code in ((GREETER, 0), (OTHER, 1)):
        config(tmp_path, rules, "other.yaml")
        assert main(["replay", str(tape), "--config", str(tmp_path / "other.yaml")]) == code
    assert "lobby  all: greeter  all: sales" in capsys.readouterr().out
    monkeypatch.setattr("dispatcher.core.timing.ATTEMPT_LOOKS_MS", (1_900,))
    assert main(["replay", str(tape)]) == 1
    assert "1 claims of 1 rooms: 0 identical, 1 different" in capsys.readouterr().out


def test_a_replay_that_cannot_be_made_is_exit_code_2(
    tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No tape, or rules that are wrong."""
    assert main(["replay", str(tmp_path / "nowhere")]) == 2
    config(tmp_path, GREETER)
    (tmp_path / "odd.yaml").write_text("rules: [{name: all, agnet: x}]\n")
    assert main(["replay", str(tape), "--config", str(tmp_path / "odd.yaml")]) == 2
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == f"{tmp_path}/nowhere: No such file or directory"
    assert second.startswith(f"{tmp_path}/odd.yaml:1")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--record", "taken"], "--record taken: File exists\n"),
        (["--record-plain"], "--record-plain says how to record, and --record DIR where: write both\n"),
    ],
)
def test_a_recording_that_cannot_be_made_stops_the_start(
    arguments: list[str], told: str, shell: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and why; nothing is served."""
    shell.setenv("DISPATCHER_PORT", str(free_port()))
    (tmp_path / "taken").write_text("")
    assert main(["serve", *arguments]) == 2
    assert capsys.readouterr() == ("", told)
