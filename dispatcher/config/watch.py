"""Where a configuration comes from: reads it again, and notices when it has changed.

Files are polled, not watched: a ConfigMap swaps a symlink, an editor renames, a script writes in place, and what shows
all of them is the identity, time and size of a file.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from dispatcher.config.document import Tree, read_document
from dispatcher.config.environment import SECRET_FILES, read_environment
from dispatcher.config.load import find, load
from dispatcher.config.problems import BadConfig, Problem
from dispatcher.config.types import Config

Print: TypeAlias = "tuple[int, int, int, int] | None"  # device, inode, time, size; None: it cannot be seen

_NO_RULES: Final = "missing; write a rule, or start the launchers of this file with `dispatcher launcher`"


class Source:
    """A file and the environment beside it. The file once found stays the one, also where it has gone.

    `ruled`: whoever reads it dispatches agents, so a file of launchers alone is none for them.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str], *, ruled: bool = False) -> None:
        self.path = path
        self.environ = environ
        self._ruled = ruled
        self._read: dict[Path, Print] = {}  # as they were when last read
        self._polled: dict[Path, Print] = {}

    def read(self) -> Config:
        """Read the configuration as it is now. Raises BadConfig."""
        self.path = self.path or find(read_environment(self.environ))
        first = _prints([self.path] if self.path else [])  # before it is asked which others there are
        self._read = self._polled = {**_prints(self.files()), **first}
        config = load(self.path, self.environ)
        if self._ruled and not all(map(config.rules_of, config.projects)):
            raise BadConfig([Problem(str(self.path), 1, 1, "rules", _NO_RULES)])
        return config

    def changed(self) -> bool:
        """Whether some file has changed since it was last read, and stood still since this was last asked.

        Half of a file may be valid, too: so one that is being written is left alone.
        """
        before, self._polled = self._polled, _prints(self._read)
        return before == self._polled != self._read

    def files(self) -> frozenset[Path]:
        """Every file that is read, there or not: the configuration's, and those of the secrets."""
        named = {Path(file) for name in SECRET_FILES if (file := self.environ.get(name, "").strip())}
        if self.path is None:
            return frozenset(named)
        referred = {self.path.parent / file for file in _references(read_document(self.path).tree)}
        return frozenset({self.path, *named, *referred})


def _prints(files: Iterable[Path]) -> dict[Path, Print]:
    return {file: _print(file) for file in files}


def _print(file: Path) -> Print:
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_size


def _references(tree: Tree) -> Iterator[str]:
    """What stands behind each `file:`, wherever: one that names no secret is watched in vain, no more."""
    match tree:
        case str():
            if tree.startswith("file:"):
                yield tree.removeprefix("file:")
        case dict():
            for value in tree.values():
                yield from _references(value)
        case tuple():
            for value in tree:
                yield from _references(value)
        case None:
            return
