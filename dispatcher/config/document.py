"""Reads YAML into a tree of plain text that remembers the place of each field.

PyYAML's nodes are walked, not constructed: scalars stay as they were written (`on` is text, `0123` keeps its zero), a
field written twice is seen, and nothing that PyYAML says with a piece of the source in it gets out: it may be a secret.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias, cast

import yaml
from msgspec import Struct

from dispatcher.config.problems import Problem
from dispatcher.config.scalar import Position, Scalar, UnusableYaml, plain_text

SIZE_MAX: Final = 1024 * 1024  # bytes
DEPTH_MAX: Final = 32  # a useful file has 5
VALUES_MAX: Final = 100_000  # aliases counted each time they are used: a few lines can stand for billions

Loc: TypeAlias = tuple[str | int, ...]
Tree: TypeAlias = "str | dict[str, Tree] | tuple[Tree, ...] | None"

_GOES_ON: Final = "put quotes round the whole value; it goes on after its own quotes or brackets"
_SAID: Final = {  # what PyYAML says with a piece of the source in it, or what helps nobody
    "found undefined alias": "no such anchor; put quotes round a value that begins with *",
    "second occurrence": "this anchor is set twice; put quotes round a value that begins with &",
    "found undefined tag handle": "no such tag; put quotes round a value that begins with !",
    "but found another document": "a second document begins here; write one",
    "mapping values are not allowed here": "a second ': ' in one line; put quotes round a value that holds one",
    "expected <block end>, but found '<scalar>'": _GOES_ON,
    "expected ',' or '}', but got '<scalar>'": _GOES_ON,
    "expected ',' or '}', but got '?'": "put quotes round a value that holds a ? between { and }",
    "found character '\\t'": "a tab stands here: indent with blanks",
    "found unknown escape character": "in \"…\" the \\ is YAML's own; write the value in '…'",
}


class Document(Struct, frozen=True, kw_only=True):
    """One file that has been read. `tree` is None if it could not be read: `problems` then says why."""

    file: str
    tree: dict[str, Tree] | None = None
    names: Mapping[Loc, Position] = {}
    values: Mapping[Loc, Position] = {}
    scalars: Mapping[Loc, Scalar] = {}
    blanks: tuple[Loc, ...] = ()  # where nothing stands behind the name: as YAML has it null, too
    problems: tuple[Problem, ...] = ()

    def problem(self, loc: Loc, reason: str, *, at_name: bool = False) -> Problem:
        """A problem with the field at `loc`, placed at its value (or its name), else at the nearest field around it."""
        places = self.names if at_name else self.values
        known = loc
        while known and known not in places:
            known = known[:-1]
        return Problem(self.file, *places.get(known, (0, 0)), path(loc), reason)

    def problem_inside(self, loc: Loc, offset: int, reason: str) -> Problem:
        """A problem with what stands `offset` characters into the text of the field at `loc`."""
        return Problem(self.file, *self.scalars[loc].position(offset), path(loc), reason)


def read_document(file: Path) -> Document:
    """Reads a file of at most 1 MiB, whatever may be wrong with it."""
    label = str(file)
    try:
        with file.open("rb") as opened:
            content = opened.read(SIZE_MAX + 1)
        if len(content) > SIZE_MAX:
            return _unread(label, "over 1 MiB")
        return read_text(content.decode("utf-8-sig"), label)
    except OSError as error:
        return _unread(label, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return _unread(label, f"not UTF-8 at byte {error.start}")


def read_text(text: str, label: str) -> Document:
    """Reads YAML; `label` stands for the file in problems."""
    try:
        root = _Composer(text).get_single_node()
        if root is None:
            return _unread(label, "the file is empty")
        if not isinstance(root, yaml.MappingNode):
            return _unread(label, "write fields, such as `rules:`", _position(root.start_mark))
        return _Walk(label, text).document(root)
    except yaml.reader.ReaderError as error:
        before = text[: error.position].rpartition("\n")
        place = before[0].count("\n") + bool(before[1]) + 1, len(before[2]) + 1
        return _unread(label, "a control character cannot stand here", place)
    except UnusableYaml as error:
        return _unread(label, str(error.problem), _position(error.problem_mark))
    except yaml.MarkedYAMLError as error:
        return _unread(label, f"not valid YAML: {_reason(error)}", _position(error.problem_mark))
    except (ValueError, OverflowError):  # PyYAML lets Python's own out for "\UFFFFFFFF" and a %YAML of 5,000 digits
        return _unread(label, "not valid YAML: a number that is too large")


def path(loc: Loc) -> str:
    """A field as people write it: rules[0].agent. A name that is not a plain word is quoted."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_plain(part)}" for part in loc).removeprefix(".")


def _plain(word: str) -> str:
    return word if re.fullmatch(r"[\w-]+", word) else repr(word)


def _unread(label: str, reason: str, place: Position = (0, 0)) -> Document:
    return Document(file=label, problems=(Problem(label, *place, "", reason),))


def _reason(error: yaml.MarkedYAMLError) -> str:
    said = error.problem or ""
    return next((better for start, better in _SAID.items() if said.startswith(start)), said)


def _position(mark: yaml.Mark | None) -> Position:
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


class _Composer(yaml.SafeLoader):
    """Composes no deeper than DEPTH_MAX: a file of brackets must not exhaust the stack."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self._depth > DEPTH_MAX:
            raise UnusableYaml(f"nested deeper than {DEPTH_MAX}", parent.start_mark if parent else None)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Walk:
    def __init__(self, label: str, text: str) -> None:
        self._label = label
        self._text = text
        self._names: dict[Loc, Position] = {}
        self._values: dict[Loc, Position] = {}
        self._scalars: dict[Loc, Scalar] = {}
        self._blanks: list[Loc] = []
        self._problems: list[Problem] = []

    def document(self, root: yaml.MappingNode) -> Document:
        self._values[()] = _position(root.start_mark)
        tree = self._mapping(root, ())
        return Document(
            file=self._label,
            tree=tree,
            names=self._names,
            values=self._values,
            scalars=self._scalars,
            blanks=tuple(self._blanks),
            problems=tuple(self._problems),
        )

    def _tree(self, node: yaml.Node, loc: Loc) -> Tree:
        if len(loc) > DEPTH_MAX:
            raise UnusableYaml(f"nested deeper than {DEPTH_MAX}", node.start_mark)
        if len(self._values) >= VALUES_MAX:
            raise UnusableYaml(f"more than {VALUES_MAX} values", node.start_mark)
        self._values[loc] = _position(node.start_mark)
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._wrong(loc, node, "tags mean nothing here; put quotes round a value that begins with !")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._tree(item, (*loc, index)) for index, item in enumerate(node.value))
        if node.tag.endswith(":null"):
            self._blanks += [] if node.value else [loc]
            return None
        scalar = self._scalars[loc] = Scalar.of(cast("yaml.ScalarNode", node), self._text)
        return scalar.text

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Tree]:
        fields: dict[str, Tree] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(loc, key, "a field's name must be one word; put quotes round a value that begins with {")
                continue
            name = plain_text(key)
            at = (*loc, name)
            if name in fields:
                self._wrong(at, key, f"written twice; first on line {self._names[at][0]}")
                continue
            self._names[at] = _position(key.start_mark)
            fields[name] = self._tree(value, at)
        return fields

    def _wrong(self, loc: Loc, node: yaml.Node, reason: str) -> None:
        self._problems.append(Problem(self._label, *_position(node.start_mark), path(loc), reason))
