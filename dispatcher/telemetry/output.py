"""Writes the log's lines to a file descriptor, in one thread, so that no caller ever waits or fails.

While nobody reads, lines that do not fit are lost. Without a reader, or without space on the disk, all lines are lost.
Lost lines are counted, and the service goes on (docs/adr/0020-the-log-never-decides.md).
"""

import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from dispatcher.telemetry.logs import Log, Style

WAITING_MAX: Final = 4 << 20  # characters that wait to be written, some 20,000 lines; as many may be under way
FLUSH_S: Final = 0.5  # for what still waits at the end: the drain before it and this are within Docker's 10 s
NOWHERE: Final = -1  # a descriptor to which nothing can be written
_END: Final = ord("\n")
_STDERR: Final = 2


class Output:
    """A log that writes to `fd`, which stays open. `clock` gives seconds since the epoch.

    Its thread runs from `with` to the end of it, and FLUSH_S longer at most. The lock may be taken again by its
    holder: a finalizer, or a signal's handler, may log at any moment.
    """

    def __init__(self, fd: int, clock: Callable[[], float], *, style: Style, waiting_max: int = WAITING_MAX) -> None:
        self.log = Log(self._put, clock, style=style, dropped=lambda: self._unfit + self._unwritten)
        self._own_log = Log(self._write_own, clock, style=style)
        self._descriptor = _Descriptor(fd)
        self._waiting_max = waiting_max
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)  # where it blocks it ends nothing
        self._news = threading.Condition(threading.RLock())
        self._lines: list[str] = []
        self._waiting = 0
        self._closing = False
        self._unfit = 0  # lines that did not fit
        self._unwritten = 0  # lines that were refused; the thread's, as is what follows
        self._untold = 0

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

    def _put(self, line: str) -> None:
        size = len(line)
        with self._news:
            if self._waiting + size > self._waiting_max:
                self._unfit += 1
                return
            if not self._lines:
                self._news.notify()
            self._waiting += size
            self._lines.append(line)

    def _run(self) -> None:
        told_unfit = 0
        while True:
            with self._news:
                while not self._lines and not self._closing:
                    self._news.wait()
                lines, self._lines, self._waiting = self._lines, [], 0
                unfit = self._unfit
            if not lines:
                return
            self._tell_lost()
            unwritten = self._descriptor.write("".join(lines))
            self._unwritten += unwritten
            self._untold += unwritten + unfit - told_unfit  # those that did not fit came after these lines
            told_unfit = unfit
            self._tell_lost()

    def _tell_lost(self) -> None:
        """Where lines are missing a line says how many, as soon as one can be written."""
        if self._untold:
            self._own_log.warning("log.dropped", lines=self._untold)

    def _write_own(self, line: str) -> None:
        if self._descriptor.write(line) == 0:
            self._untold = 0


class _Descriptor:
    """Takes lines, waiting as long as it must, or refuses them."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._torn = False  # it ends in the middle of a line
        self._refused = False

    def write(self, lines: str) -> int:
        """How many of these lines were not written, or only in part."""
        rest = memoryview(lines.encode())
        try:
            if self._torn:
                self._some(b"\n")
                self._torn = False
            while rest:
                written = self._some(rest)
                self._torn = rest[written - 1] != _END
                rest = rest[written:]
        except OSError as error:
            if not self._refused:
                aside(f"dispatcher: the log cannot be written ({error.strerror}); the service goes on without it\n")
            self._refused = True
        else:
            self._refused = False
        return bytes(rest).count(_END)

    def _some(self, data: bytes | memoryview) -> int:
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # somebody who shares the descriptor has made it so
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll()


def aside(text: str) -> None:
    """Write the text to standard error, if that takes it at once."""
    with suppress(OSError):
        if sys.stderr is not None and select.select((), (_STDERR,), (), 0)[1]:
            os.write(_STDERR, text.encode()[: select.PIPE_BUF])  # more might wait after all
