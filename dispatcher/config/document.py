"""YAML → a tree of plain text that remembers where each field stands.

PyYAML's nodes are walked, not constructed: scalars stay as they were written (`on` is text, `0123` keeps its zero), a
field written twice is seen, and nothing that PyYAML says with a piece of the source in it gets out: it may be a secret.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import yaml
from msgspec import Struct

from dispatcher.config.problems import Problem

SIZE_MAX: Final = 1024 * 1024  # bytes
DEPTH_MAX: Final = 32  # a useful file has 5
VALUES_MAX: Final = 100_000  # aliases counted each time they are used: a few lines can stand for billions

Loc: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]  # line and column, from 1
Tree: TypeAlias = "str | dict[str, Tree] | tuple[Tree, ...] | None"

_SAID: Final = {  # what PyYAML says with a piece of the source in it, or what helps nobody
    "found undefined alias": "no such anchor; put quotes round a value that begins with *",
    "second occurrence": "this anchor is set twice; put quotes round a value that begins with &",
    "found undefined tag handle": "no such tag; put quotes round a value that begins with !",
    "but found another document": "a second document begins here; write one",
    "mapping values are not allowed here": "a second ': ' in one line; put quotes round a value that holds one",
}


class Document(Struct, frozen=True, kw_only=True):
    """One file, read. `tree` is None when it could not be: `problems` then says why."""

    file: str
    tree: dict[str, Tree] | None = None
    names: Mapping[Loc, Place] = {}
    values: Mapping[Loc, Place] = {}
    problems: tuple[Problem, ...] = ()

    def problem(self, loc: Loc, reason: str, *, at_name: bool = False) -> Problem:
        """A problem with the field at `loc`, placed at its value (or its name), else at the nearest field around it."""
        places = self.names if at_name else self.values
        known = loc
        while known and known not in places:
            known = known[:-1]
        return Problem(self.file, *places.get(known, (0, 0)), path(loc), reason)


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
            return _unread(label, "write fields, such as `rules:`", _place(root.start_mark))
        return _Walk(label).document(root)
    except yaml.reader.ReaderError as error:
        before = text[: error.position].rpartition("\n")
        place = before[0].count("\n") + bool(before[1]) + 1, len(before[2]) + 1
        return _unread(label, "a control character cannot stand here", place)
    except _Unusable as error:
        return _unread(label, str(error.problem), _place(error.problem_mark))
    except yaml.MarkedYAMLError as error:
        return _unread(label, f"not valid YAML: {_reason(error)}", _place(error.problem_mark))
    except (ValueError, OverflowError):  # PyYAML lets Python's own out for "\UFFFFFFFF" and a %YAML of 5,000 digits
        return _unread(label, "not valid YAML: a number that is too large")


def path(loc: Loc) -> str:
    """A field as people write it: rules[0].agent. A name that is not a plain word is quoted."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_plain(part)}" for part in loc).removeprefix(".")


def _plain(word: str) -> str:
    return word if re.fullmatch(r"[\w-]+", word) else repr(word)


def _unread(label: str, reason: str, place: Place = (0, 0)) -> Document:
    return Document(file=label, problems=(Problem(label, *place, "", reason),))


def _reason(error: yaml.MarkedYAMLError) -> str:
    said = error.problem or ""
    return next((better for start, better in _SAID.items() if said.startswith(start)), said)


def _text(node: yaml.Node) -> str:
    text = str(node.value)
    if re.search("[\ud800-\udfff]", text):
        raise _Unusable("half a character cannot stand here", node.start_mark)
    return text


def _place(mark: yaml.Mark | None) -> Place:
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


class _Unusable(yaml.MarkedYAMLError):
    """Valid YAML that no useful configuration is."""

    def __init__(self, reason: str, mark: yaml.Mark | None) -> None:
        super().__init__(problem=reason, problem_mark=mark)


class _Composer(yaml.SafeLoader):
    """Composes no deeper than DEPTH_MAX: a file of brackets must not exhaust the stack."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self._depth > DEPTH_MAX:
            raise _Unusable(f"nested deeper than {DEPTH_MAX}", parent.start_mark if parent else None)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Walk:
    def __init__(self, label: str) -> None:
        self._label = label
        self._names: dict[Loc, Place] = {}
        self._values: dict[Loc, Place] = {}
        self._problems: list[Problem] = []

    def document(self, root: yaml.MappingNode) -> Document:
        self._values[()] = _place(root.start_mark)
        tree = self._mapping(root, ())
        return Document(
            file=self._label, tree=tree, names=self._names, values=self._values, problems=tuple(self._problems)
        )

    def _tree(self, node: yaml.Node, loc: Loc) -> Tree:
        if len(loc) > DEPTH_MAX:
            raise _Unusable(f"nested deeper than {DEPTH_MAX}", node.start_mark)
        if len(self._values) >= VALUES_MAX:
            raise _Unusable(f"more than {VALUES_MAX} values", node.start_mark)
        self._values[loc] = _place(node.start_mark)
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._wrong(loc, node, "tags mean nothing here; put quotes round a value that begins with !")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._tree(item, (*loc, index)) for index, item in enumerate(node.value))
        return None if node.tag.endswith(":null") else _text(node)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Tree]:
        fields: dict[str, Tree] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(loc, key, "a field's name must be one word; put quotes round a value that begins with {")
                continue
            name = _text(key)
            at = (*loc, name)
            if name in fields:
                self._wrong(at, key, f"written twice; first on line {self._names[at][0]}")
                continue
            self._names[at] = _place(key.start_mark)
            fields[name] = self._tree(value, at)
        return fields

    def _wrong(self, loc: Loc, node: yaml.Node, reason: str) -> None:
        self._problems.append(Problem(self._label, *_place(node.start_mark), path(loc), reason))
