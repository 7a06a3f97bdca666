"""Metadata as the map that expressions see: the JSON object that it is, or {} and why it is none that they can read."""

import math
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from dispatcher.expressions.shapes import Shape

METADATA_MAX: Final = 64 * 1024  # bytes; of larger metadata expressions see {}, and the agent may still get all of it
ITEMS_MAX: Final = 1_000  # values in it, at any depth: to read so many takes 2 ms, and CEL as long to take them in
MARKS_MAX: Final = 4 * ITEMS_MAX  # commas, colons and brackets, in texts too: what has more takes too long to count
DEPTH_MAX: Final = 32  # CEL's own stack ends between 300 and 20,000

_CONTAINERS: Final = frozenset({dict, list})
_NUL: Final = "\\u0000"  # JSON has no other way to write it
_MARK: Final = "\ufeff"
_NO_NUMBER: Final = re.compile(r"[:\[,]\s*-?(?:NaN|Infinity)\b")  # as Python's json and JavaScript people write it
_NUMBERS: Final = range(-(2**63), 2**64)  # CEL's own whole numbers, with a sign and without


class Unread(StrEnum):
    """Why metadata is no map for expressions. Bounded: a metric's label."""

    NO_JSON = "no_json"
    NO_OBJECT = "no_object"  # a list, a text, a number
    ENCODED_TWICE = "encoded_twice"  # a text that holds an object
    BYTE_ORDER_MARK = "byte_order_mark"  # before the object
    NOT_A_NUMBER = "not_a_number"  # NaN or Infinity, which JSON does not have
    NUMBER_TOO_LARGE = "number_too_large"  # beyond 64 bits
    TOO_LONG = "too_long"  # over 64 KiB
    TOO_MANY_VALUES = "too_many_values"  # over 1,000
    TOO_DEEP = "too_deep"  # over 32
    NUL = "nul"  # ends a text for CEL: "admin" and what comes after it would equal "admin"


class Parsed(Struct, frozen=True):
    """What expressions see of metadata, and its shape; {} where it is `unread`, and where there is none."""

    value: Mapping[str, Any] = {}
    shape: Shape = Shape()
    unread: Unread | None = None


NOTHING: Final = Parsed()


def parsed(metadata: str) -> Parsed:
    """The metadata's JSON object, if it is one and fit for CEL."""
    if not metadata or metadata.isspace():
        return NOTHING
    read = _read(metadata)
    return Parsed(unread=read) if isinstance(read, Unread) else read


def _read(metadata: str) -> Parsed | Unread:
    if metadata.startswith(_MARK):
        return Unread.BYTE_ORDER_MARK
    if len(metadata) > METADATA_MAX or len(metadata.encode(errors="replace")) > METADATA_MAX:
        return Unread.TOO_LONG
    if sum(map(metadata.count, ",:[")) > MARKS_MAX:
        return Unread.TOO_MANY_VALUES
    try:
        found = _DECODER.decode(metadata)
    except msgspec.ValidationError:  # from _finite
        return Unread.NUMBER_TOO_LARGE
    except RecursionError:
        return Unread.TOO_DEEP
    except ValueError:  # UnicodeEncodeError, for half a character, is one
        return Unread.NOT_A_NUMBER if _NO_NUMBER.search(metadata) else Unread.NO_JSON
    if isinstance(found, str) and found.lstrip().startswith("{"):
        return Unread.ENCODED_TWICE
    if not isinstance(found, dict):
        return Unread.NO_OBJECT
    shape = _measured(found, metadata)
    return shape if isinstance(shape, Unread) else Parsed(found, shape)


def _finite(number: str) -> float:
    """A number with a point or an exponent; those of 64 KiB take 5 ms, and 80 ms where msgspec reads them itself."""
    if math.isinf(found := float(number)):
        raise ValueError
    return found


def _measured(found: Mapping[str, Any], metadata: str) -> Shape | Unread:
    """The shape of what JSON gave, if it is fit for CEL."""
    texts: list[str] = []
    wide, items = 0, 1
    waiting: list[Any] = [found]
    for _ in range(DEPTH_MAX):
        below = []
        for one in waiting:
            values = one.values() if type(one) is dict else one
            texts += one if type(one) is dict else ()
            wide, items = max(wide, len(values)), items + len(values)
            if items > ITEMS_MAX:
                return Unread.TOO_MANY_VALUES
            for value in values:
                if type(value) is str:
                    texts.append(value)
                elif type(value) in _CONTAINERS:
                    below.append(value)
                elif type(value) is int and value not in _NUMBERS:
                    return Unread.NUMBER_TOO_LARGE
        if not below:
            break
        waiting = below
    else:
        return Unread.TOO_DEEP
    if _NUL in metadata and any("\0" in text for text in texts):
        return Unread.NUL
    length = 1 if metadata.isascii() and "\\u" not in metadata else 4  # bytes of a character, at most
    lengths = [len(text) for text in texts]
    return Shape(length * max(lengths, default=0), wide, items, length * sum(lengths))


_DECODER: Final = msgspec.json.Decoder(float_hook=_finite)
