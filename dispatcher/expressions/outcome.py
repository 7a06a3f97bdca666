"""What an expression came to: plain values, or why there are none. Nothing that CEL does is raised from here.

CEL's own conversions are not used: turning a null into None drops a reference to it, and some 5,000 of them abort a
Python before 3.12. Its error texts hold data (keys, numbers), so only their kind gets out.
"""

from enum import StrEnum
from typing import Final, TypeAlias, cast

from cel_expr_python import cel
from msgspec import Struct

from dispatcher.core.errors import DispatcherError

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"


class FailureReason(StrEnum):
    """Why an expression gave nothing. Bounded: a metric's label."""

    MISSING_KEY = "missing_key"  # ordinary: an attribute or a field that this participant does not have
    INVALID_ARGUMENT = "invalid_argument"  # division by zero, a field of a text, a bad regex that was computed
    OUT_OF_RANGE = "out_of_range"  # an index beyond the list, a number beyond 64 bits
    NO_OVERLOAD = "no_overload"  # a text compared with a number, and so on
    EXHAUSTED = "exhausted"  # too many iterations
    WRONG_TYPE = "wrong_type"  # the result is not what the field holds
    EMPTY = "empty"  # null or ""
    TOO_LARGE = "too_large"
    OTHER = "other"


class Failure(Struct, frozen=True):
    """No value, and why."""

    reason: FailureReason


Outcome: TypeAlias = "Plain | Failure"

_REASONS: Final = {  # the status that CEL's text begins with
    "NOT_FOUND": FailureReason.MISSING_KEY,
    "INVALID_ARGUMENT": FailureReason.INVALID_ARGUMENT,
    "OUT_OF_RANGE": FailureReason.OUT_OF_RANGE,
    "UNKNOWN": FailureReason.NO_OVERLOAD,
    "RESOURCE_EXHAUSTED": FailureReason.EXHAUSTED,
}
_SCALARS: Final = frozenset({"BOOL", "INT", "UINT", "DOUBLE", "STRING"})


class _UnfitError(DispatcherError):
    """A value that JSON has no form for."""


def outcome(value: cel.Value) -> Outcome:
    """The value as plain Python, or its failure."""
    name = value.type().name()
    if name in _SCALARS:
        return cast("Plain", value.value())
    try:
        if name == "ERROR":
            return Failure(_REASONS.get(str(value.value()).partition(":")[0], FailureReason.OTHER))
        return _plain(value)
    except (_UnfitError, TypeError):  # TypeError: an optional calls itself ERROR, and has no value
        return Failure(FailureReason.WRONG_TYPE)


def _plain(value: cel.Value) -> Plain:
    """As deep as CEL lets an expression be (32) and metadata (32 too)."""
    name = value.type().name()
    if name == "NULL":
        return None
    if name in _SCALARS:
        return cast("str | int | float | bool", value.value())
    if name.startswith("LIST<"):
        return [_plain(item) for item in value.value()]
    if name.startswith("MAP<"):
        return {_key(key): _plain(item) for key, item in value.value().items()}
    raise _UnfitError


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise _UnfitError
    return key
