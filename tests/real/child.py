"""A child process of the tests: on a leash, with its output in a file, waited for and stopped by its pid."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

ROOT: Final = Path(__file__).parents[2]


class Child:
    """A running process in a group of its own. Start it from the main thread (see `leash`). Spans in seconds."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        when_orphaned: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.real.leash", str(int(when_orphaned)), *command],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        """All it has written so far."""
        return self.log.read_text(errors="replace")

    def wait_until(self, ready: Callable[[], bool], what: str, within: float) -> None:
        """`ready` is true. Raises TimeoutError with the end of the output when the child ends, or time is up, first."""
        end = time.monotonic() + within
        while not ready():
            ended = self._process.poll()
            if ended is not None or time.monotonic() > end:
                raise TimeoutError(f"{what}: not within {within} s; exit code {ended}\n{self._tail()}")
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """The process, and it alone, gets this signal."""
        self._process.send_signal(number)

    def stop(self, within: float = 2.0) -> None:
        """The process is gone, asked first and killed `within` seconds later, and whatever is left of its group too."""
        self._process.terminate()
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # nobody was left

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _tail(self) -> str:
        return "\n".join(self.output().splitlines()[-30:])
