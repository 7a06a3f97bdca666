"""The tree of a checked expression as plain values, macros written out as the loops that they are."""

from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct


class Text(Struct, frozen=True):
    """A text that is written out."""

    value: str


class Constant(Struct, frozen=True):
    """Any other constant: a number, true, null."""


class Name(Struct, frozen=True):
    """A variable: ours, or a loop's."""

    name: str


class Field(Struct, frozen=True):
    """A field of something; `asked`: whether it is there, as `has()` asks."""

    of: "Node"
    name: str
    asked: bool


class Call(Struct, frozen=True):
    """A function or an operator; what stands before its dot is the first argument. `offsets`: where each begins."""

    function: str
    args: tuple["Node", ...]
    offsets: tuple[int, ...]


class Made(Struct, frozen=True):
    """A list, a map or a message that is written out: all its parts, keys included. `wide`: how many items it has."""

    parts: tuple["Node", ...]
    wide: int


class Loop(Struct, frozen=True):
    """`step` once for each item of `over`, while `condition`; what it makes is named `made`, and begins as `start`."""

    item: str
    over: "Node"
    made: str
    start: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


Node: TypeAlias = Text | Constant | Name | Field | Call | Made | Loop


def below(node: Node) -> Iterator[Node]:
    """The node and all below it, each before its parts."""
    yield node
    for part in _parts(node):
        yield from below(part)


def names(node: Node) -> frozenset[str]:
    """Every name in it: `room.name` where a field is read of one, `room` where it is used whole."""
    match node:
        case Field(of=Name(name), name=field):
            return frozenset({f"{name.lstrip('.')}.{field}"})
        case Name(name):
            return frozenset({name.lstrip(".")})
        case _:
            return frozenset[str]().union(*(names(part) for part in _parts(node)))


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Field(of=of):
            return (of,)
        case Call(args=parts) | Made(parts=parts):
            return parts
        case Loop():
            return (node.over, node.start, node.condition, node.step, node.result)
        case _:
            return ()
