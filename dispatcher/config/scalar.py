"""One value of a YAML file: its text, and where in the file each character of it stands."""

import re
from typing import Final, TypeAlias

import yaml
from msgspec import Struct

from dispatcher.core.errors import DispatcherError

Position: TypeAlias = tuple[int, int]  # line and column, from 1

_ESCAPE: Final = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_HEADER: Final = re.compile(r"[|>][^\n]*\n")
_COMMENT: Final = re.compile(r"[ \t]+#")


class UnusableYaml(DispatcherError, yaml.MarkedYAMLError):
    """The operator wrote valid YAML that no useful configuration is."""

    def __init__(self, reason: str, mark: yaml.Mark | None) -> None:
        super().__init__(problem=reason, problem_mark=mark)


class Scalar(Struct, frozen=True):
    """A value as it stands in its file, quotes included: from `begin` to `end` of `source`, the whole file."""

    text: str
    style: str  # "" plain, ' or " quoted, | or > a block
    start: Position
    source: str  # shared by all: an alias used often costs no copy
    begin: int
    end: int

    @classmethod
    def of(cls, node: yaml.ScalarNode, source: str) -> "Scalar":
        """The value of a node. Raises UnusableYaml."""
        first, after = node.start_mark, node.end_mark
        start = first.line + 1, first.column + 1
        return cls(plain_text(node), node.style or "", start, source, first.index, after.index)

    def position(self, offset: int) -> Position:
        """Where in the file the character at `offset` of the text stands.

        YAML folds blanks and line ends and escapes what it quotes, but what is no blank keeps its order: the n-th such
        character of the text is the n-th of the source.
        """
        wanted = len("".join(self.text[:offset].split()))
        last = at = self._first()
        while at < self.end and wanted >= 0:
            length, blank = self._character(at)
            if not blank:
                wanted -= 1
                last = at if wanted < 0 else at + length
            at += length
        line, column = self.start
        before = self.source[self.begin : last]
        lines = before.count("\n")
        return (line + lines, len(before) - before.rindex("\n")) if lines else (line, column + len(before))

    @property
    def cut_short(self) -> bool:
        """Whether a comment follows an unquoted text: it may have been meant as part of it."""
        return self.style == "" and bool(_COMMENT.match(self.source, self.end))

    def _first(self) -> int:
        """Where the text itself begins."""
        header = _HEADER.match(self.source, self.begin) if self.style in {"|", ">"} else None
        return header.end() if header else self.begin + (self.style in {"'", '"'})

    def _character(self, at: int) -> tuple[int, bool]:
        """How long the source of one character is, and whether it is blank."""
        if self.style == "'" and self.source.startswith("''", at):
            return 2, False
        escape = _ESCAPE.match(self.source, at) if self.style == '"' else None
        if escape:
            return len(escape[0]), escape[0][1:] in {"\n", " ", "\t", "n", "r", "t", "v", "f", "N", "_", "L", "P"}
        return 1, self.source[at].isspace()


def plain_text(node: yaml.Node) -> str:
    """A scalar's text. Raises UnusableYaml for what no text of ours may hold."""
    tagged = node.tag.startswith("!") and len(node.tag) > 1  # a problem of its own; as CEL it is a negation
    text = f"{node.tag} {node.value}".rstrip() if tagged else str(node.value)
    if re.search("[\ud800-\udfff]", text):
        raise UnusableYaml("half a character cannot stand here", node.start_mark)
    return text
