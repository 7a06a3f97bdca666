"""What a process writes: line by line into our log and into two files, bounded on disk and in speed.

It writes into a named pipe that it holds open itself, for reading, too. So when the launcher dies, no write of it
fails; it waits when the pipe is full, until the next launcher reads on.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

LOG_MAX: Final = 1 << 20  # bytes of a launch's log on disk, in two halves
LINE_MAX: Final = 8 << 10  # bytes; a longer line is cut into several
READ_MAX: Final = 64 << 10  # bytes between two turns of the loop
SECOND_MAX: Final = 1 << 20  # bytes that are taken in a second: whoever writes more waits
PIPE: Final = "output"
LOG: Final = "output.log"
OLD_LOG: Final = "output.old.log"


class BoundedLog:
    """A file of lines that keeps the last LOG_MAX / 2 to LOG_MAX bytes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG
        self._old = folder / OLD_LOG
        self._size = self._path.stat().st_size if self._path.exists() else 0

    def add(self, lines: list[bytes]) -> None:
        """Write the lines. Raises OSError: there is no space for them."""
        text = b"".join(line + b"\n" for line in lines)
        if self._size + len(text) > LOG_MAX // 2 and self._size:
            self._path.replace(self._old)
            self._size = 0
        with self._path.open("ab") as file:
            file.write(text)
        self._size += len(text)


def tail(folder: Path, lines: int) -> list[str]:
    """The last lines of a launch's log; none: it has written nothing."""
    kept = deque[str](maxlen=lines)
    for name in (OLD_LOG, LOG):
        with suppress(FileNotFoundError):
            kept.extend((folder / name).read_text(errors="replace").splitlines())
    return list(kept)


class WorkerOutput:
    """Reads one process's pipe. `hear` gets its lines; it must not wait."""

    def __init__(self, folder: Path, hear: Callable[[list[bytes]], None]) -> None:
        self.path = folder / PIPE
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._descriptor = -1
        self._rest = b""
        self._taken = 0
        self._second = 0.0

    def open(self) -> int:
        """Make the pipe, read it from now on, and give a descriptor that the process shall write to: close it then.

        Raises OSError: it may be read, until `close`.
        """
        if not self.path.exists():
            os.mkfifo(self.path, 0o600)
        self.read()
        return os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def read(self) -> None:
        """Read the pipe from now on. Raises OSError: it is not there."""
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._loop.add_reader(self._descriptor, self._ready)

    def close(self) -> None:
        """Take what is left, and read no more."""
        if self._descriptor < 0:
            return
        self._loop.remove_reader(self._descriptor)
        for _ in range(SECOND_MAX // READ_MAX):
            if not self._take():
                break
        os.close(self._descriptor)
        self._descriptor = -1
        if self._rest:
            self._hear([self._rest])
            self._rest = b""

    def _ready(self) -> None:
        now = self._loop.time()
        if now - self._second >= 1.0:
            self._second, self._taken = now, 0
        taken = self._take()
        self._taken += taken
        if not taken:  # nobody holds it open any more
            self._loop.remove_reader(self._descriptor)
        elif self._taken >= SECOND_MAX:
            self._loop.remove_reader(self._descriptor)
            self._loop.call_at(self._second + 1.0, self._resume, self._descriptor)

    def _resume(self, descriptor: int) -> None:
        if descriptor == self._descriptor:
            self._loop.add_reader(descriptor, self._ready)

    def _take(self) -> int:
        """Read once; how many bytes it was."""
        try:
            read = os.read(self._descriptor, READ_MAX)
        except BlockingIOError:
            return 0
        *lines, self._rest = (self._rest + read).split(b"\n")
        while len(self._rest) > LINE_MAX:
            lines, self._rest = [*lines, self._rest[:LINE_MAX]], self._rest[LINE_MAX:]
        if lines:
            self._hear(
                [line[start : start + LINE_MAX] for line in lines for start in range(0, len(line) or 1, LINE_MAX)]
            )
        return len(read)
