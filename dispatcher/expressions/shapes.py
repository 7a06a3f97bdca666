"""How large a value may be, which is all that the cost of judging an expression is worked out from."""

from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct

BYTE: Final = 0.002  # microseconds for a text's byte copied or compared
NUMBER: Final = 40  # characters of a number as text


class Shape(Struct, frozen=True):
    """How large a value may be: in bytes, and in items at any depth."""

    long: int = 0  # the longest text
    wide: int = 0  # items of the longest list or map
    items: int = 1  # values in it, itself included
    size: int = 0  # all its texts together
    short: int = 0  # it is a text at least so long
    listed: bool | None = None  # a list, certainly; False: certainly not


SCALAR: Final = Shape(listed=False)
Costing: TypeAlias = Callable[..., tuple[Shape, float]]  # of the arguments' shapes: the result's, and microseconds


def text(length: int, *, least: int = 0) -> Shape:
    """A text of at most so many bytes."""
    return Shape(long=length, size=length, short=least, listed=False)


def either(a: Shape, b: Shape) -> Shape:
    """One of the two."""
    listed = a.listed if a.listed is b.listed else None
    return Shape(max(a.long, b.long), max(a.wide, b.wide), max(a.items, b.items), max(a.size, b.size), listed=listed)
