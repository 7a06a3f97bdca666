"""What processes say, with the launch's id in each line: all of it on disk, bounded, and its first lines in our log."""

import asyncio
from typing import Final

from dispatcher.launcher.output import BoundedLog
from dispatcher.launcher.recorder import LaunchRecorder
from dispatcher.launcher.records import Records
from dispatcher.telemetry.logs import without_secrets

SHOWN: Final = 20  # lines of a launch that our log shows in a second


class _Heard:
    """One launch's lines."""

    def __init__(self, file: BoundedLog, now: float) -> None:
        self.file = file
        self.second = now
        self.shown = 0
        self.omitted = 0


class Logs:
    """Keeps what processes write. What looks like a token or a password is left out, on disk, too."""

    def __init__(self, records: Records, recorder: LaunchRecorder) -> None:
        self._records = records
        self._recorder = recorder
        self._heard: dict[str, _Heard] = {}

    def hear(self, launch_id: str, lines: list[bytes]) -> None:
        """Keep the lines. Where the disk is full they are in our log alone."""
        now = asyncio.get_running_loop().time()
        one = self._heard.get(launch_id)
        if one is None:
            one = self._heard[launch_id] = _Heard(BoundedLog(self._records.folder(launch_id)), now)
        texts = [without_secrets(line.decode(errors="replace")) for line in lines]
        try:
            one.file.add([text.encode(errors="replace") for text in texts])
        except OSError:
            one.omitted += len(lines)
        if now - one.second >= 1.0:
            self._tell_omitted(launch_id, one)
            one.second, one.shown = now, 0
        for text in texts[: SHOWN - one.shown]:
            self._recorder.said(launch_id, text)
        one.omitted += max(0, len(texts) - (SHOWN - one.shown))
        one.shown = min(SHOWN, one.shown + len(texts))

    def end(self, launch_id: str) -> None:
        """It writes no more."""
        if one := self._heard.pop(launch_id, None):
            self._tell_omitted(launch_id, one)

    def _tell_omitted(self, launch_id: str, one: _Heard) -> None:
        if one.omitted:
            self._recorder.silenced(launch_id, one.omitted)
            one.omitted = 0
