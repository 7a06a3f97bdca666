"""Where a configuration comes from, so that it can be read again, and what to watch for a change of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from dispatcher.config.document import Tree, read_document
from dispatcher.config.environment import SECRET_FILES
from dispatcher.config.load import load
from dispatcher.config.settings import Config


class Source(Struct, frozen=True):
    """A file (None: the environment alone) and the environment beside it."""

    file: Path | None
    environ: Mapping[str, str]

    def load(self) -> Config:
        """The configuration as it is written now. Raises BadConfig."""
        return load(self.file, self.environ)

    def files(self) -> frozenset[Path]:
        """Every file that `load` would read now, there or not: the configuration's, and those of the secrets."""
        named = {Path(path.strip()) for name in SECRET_FILES if (path := self.environ.get(name, "")).strip()}
        if self.file is None:
            return frozenset(named)
        folder = self.file.parent
        referred = {folder / text for text in _references(read_document(self.file).tree)}
        return frozenset({self.file, *named, *referred})


def _references(tree: Tree) -> Iterator[str]:
    """What stands behind each `file:`, wherever: one that is none is only watched in vain."""
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
