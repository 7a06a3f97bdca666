"""The files of a tape: in one folder, of bounded size and number, readable by their owner alone."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from dispatcher.telemetry.tape.lines import Line

FILE_MAX: Final = 8 << 20  # bytes of one file
FILES_MAX: Final = 8  # 64 MiB in all; the oldest goes

_NAME: Final = re.compile(r"tape-([0-9]{6,})\.jsonl")
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def tapes(folder: Path) -> list[Path]:
    """The files of the folder's tape, the oldest first. Raises OSError."""
    found = {path: int(name[1]) for path in folder.iterdir() if (name := _NAME.fullmatch(path.name))}
    return sorted(found, key=found.__getitem__)


class Files:
    """The newest file of a folder takes lines until it is full. What is there already is kept, and counts."""

    def __init__(self, folder: Path, *, file_max: int = FILE_MAX, files_max: int = FILES_MAX) -> None:
        self.folder = folder
        self._file_max = file_max
        self._files_max = files_max
        self._file = -1
        self._terms: set[bytes] = set()  # that the file has
        self._whole = False  # it ends in a whole line

    def open(self) -> None:
        """Make the folder if need be, and open its newest file. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = tapes(self.folder)
        self._open(there[-1] if there else self._named(1))

    def close(self) -> None:
        """Close the open file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def write(self, line: Line) -> None:
        """Write the line to the newest file, after its terms. Raises OSError: it is not written, or only in part."""
        if not self._fits(line.size):
            self._next()
        data = line.claim if line.terms in self._terms else line.terms + line.claim
        rest = memoryview(data if self._whole else b"\n" + data)
        self._whole = False
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._whole = True
        self._terms.add(line.terms)

    def _fits(self, size: int) -> bool:
        """Whether the open file has room for it, and somebody would find it there."""
        if self._file < 0:
            return False
        here = os.fstat(self._file)
        return here.st_nlink > 0 and (here.st_size == 0 or here.st_size + size < self._file_max)

    def _next(self) -> None:
        """Open a new file, and delete the oldest ones to make room for it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = tapes(self.folder)
        for old in there[: len(there) + 1 - self._files_max]:
            with suppress(FileNotFoundError):
                old.unlink()
        last = _NAME.fullmatch(there[-1].name) if there else None
        self._open(self._named(int(last[1]) + 1 if last else 1))

    def _open(self, path: Path) -> None:
        self.close()
        self._file = os.open(path, _FLAGS, 0o600)
        os.fchmod(self._file, 0o600)  # one that was there may have been readable by others
        self._terms.clear()
        self._whole = os.fstat(self._file).st_size == 0

    def _named(self, number: int) -> Path:
        return self.folder / f"tape-{number:06}.jsonl"
