"""Writes in a thread of its own, so that no caller ever waits: lines that do not fit are dropped and counted."""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from dispatcher.telemetry.tape.lines import Line

WAITING_MAX: Final = 4 << 20  # bytes that wait to be written, some 1,000 claims
FLUSH_S: Final = 0.5  # for what still waits at the end


class Writer:
    """Hands lines to `write`, which may take its time and may raise OSError: then the line is lost.

    `dropped` is called once for each line that is lost, from either thread. The thread runs from `with` to the end of
    it, and FLUSH_S longer at most.
    """

    def __init__(
        self, write: Callable[[Line], object], dropped: Callable[[], object], *, waiting_max: int = WAITING_MAX
    ) -> None:
        self._write = write
        self._dropped = dropped
        self._waiting_max = waiting_max
        self._thread = threading.Thread(target=self._run, name="tape", daemon=True)  # where it blocks it ends nothing
        self._news = threading.Condition()
        self._lines: deque[Line] = deque()
        self._waiting = 0
        self._closing = False
        self.trouble = ""  # why the last line could not be written

    def put(self, line: Line) -> None:
        """Queue the line to be written, or drop it."""
        with self._news:
            fits = self._waiting + len(line.claim) <= self._waiting_max  # the terms are shared by all
            if fits:
                self._waiting += len(line.claim)
                self._lines.append(line)
                self._news.notify()
        if not fits:
            self._dropped()

    def close(self, within: float = FLUSH_S) -> None:
        """Write what waits; give up after so many seconds."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join(within)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while (line := self._next()) is not None:
            try:
                self._write(line)
            except OSError as error:
                self.trouble = error.strerror or type(error).__name__
                self._dropped()
            else:
                self.trouble = ""

    def _next(self) -> Line | None:
        with self._news:
            while not self._lines:
                if self._closing:
                    return None
                self._news.wait()
            line = self._lines.popleft()
            self._waiting -= len(line.claim)
            return line
