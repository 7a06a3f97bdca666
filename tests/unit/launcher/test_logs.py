"""What processes say, in our log and on disk."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dispatcher.launcher.launch import Launch
from dispatcher.launcher.logs import SHOWN, Logs
from dispatcher.launcher.output import tail
from dispatcher.launcher.recorder import LaunchRecorder
from dispatcher.launcher.records import Records
from dispatcher.telemetry.launch_metrics import LaunchMetrics
from dispatcher.telemetry.logs import Log


class Said:
    """Logs of launches, and the lines of our own log."""

    def __init__(self, root: Path) -> None:
        self.lines: list[dict[str, Any]] = []
        self.records = Records(root)
        log = Log(lambda line: self.lines.append(json.loads(line)), lambda: 0.0)
        self.recorder = LaunchRecorder(log, LaunchMetrics(version="test"), ["avatar"])
        self.logs = Logs(self.records, self.recorder)

    def omitted(self) -> list[int]:
        """How many lines were left out, each time that it was told."""
        return [line["lines"] for line in self.lines if line["action"] == "launch.output_omitted"]

    def texts(self) -> list[str]:
        """What was shown."""
        return [line["text"] for line in self.lines if line["action"] == "launch.output"]


async def test_the_first_lines_of_a_second_are_shown_and_all_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many were left out is told in the next second, or at the end; of several launches each has its own."""
    said, now = Said(tmp_path), 100.0
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: now)
    first, other = said.records.make(), said.records.make()
    said.logs.hear(first, [b"%d" % number for number in range(SHOWN + 5)])
    said.logs.hear(first, [b"more"])
    said.logs.hear(other, [b"calm"])
    now += 1.0
    said.logs.hear(first, [b"later", b"\xff"])
    assert said.omitted() == [6]
    said.logs.hear(first, [b"x"] * SHOWN)
    said.logs.end(first)
    said.logs.end(other)
    said.logs.end("of one that never wrote")
    monkeypatch.undo()

    assert said.omitted() == [6, 2]
    assert said.texts()[SHOWN : SHOWN + 3] == ["calm", "later", "\ufffd"]
    assert len(tail(said.records.folder(first), 100)) == SHOWN * 2 + 8


async def test_where_the_disk_is_full_our_log_has_the_lines_and_tells(tmp_path: Path) -> None:
    """A record that cannot be written is told of, too."""
    said = Said(tmp_path)
    launch_id = said.records.make()
    shutil.rmtree(said.records.folder(launch_id))
    said.logs.hear(launch_id, [b"one"])
    said.logs.end(launch_id)

    assert (said.texts(), said.omitted()) == (["one"], [1])
    said.recorder.unsaved(Launch(id=launch_id, launcher="avatar"), OSError(28, "No space left on device"))
    assert said.lines[-1]["why"] == "No space left on device"
