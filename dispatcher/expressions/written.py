"""What must be written out in a rule, as CEL reads it as a program of its own: patterns, formats, time zones.

What people say of themselves is never one: a pattern of 6 kB took 21 s to compile.
"""

from collections.abc import Callable, Iterator
from typing import Final

from dispatcher.expressions.mistakes import Mistake
from dispatcher.expressions.nodes import Call, Node, Text, below
from dispatcher.expressions.patterns import COMPILED_MAX, pattern

_PATTERN: Final = (
    "a pattern must be written out, as in matches('^night-[0-9]+$'); compare texts by ==, in or contains()"
)
_FORMAT: Final = "a format must be written out, as in '%s-%d'.format([…])"
_ZONE: Final = "a time zone must be written out, as in getHours('Europe/Paris')"
_ZONED: Final = frozenset({
    "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds",
    "getMinutes", "getMonth", "getSeconds",
})  # fmt: skip


def unwritten(root: Node, bad: Callable[[str], str]) -> Iterator[Mistake]:
    """Every such text that is computed, and every pattern that is wrong; `bad` says what is, "" if nothing."""
    for node in below(root):
        if not isinstance(node, Call):
            continue
        for at, otherwise in _programs(node):
            part, offset = node.args[at], node.offsets[at]
            if not isinstance(part, Text):
                yield Mistake(offset, otherwise)
            elif otherwise is _PATTERN and (why := bad(part.value) or _large(part.value)):
                yield Mistake(offset, why)


def _programs(call: Call) -> Iterator[tuple[int, str]]:
    """Which arguments of the call are programs, and what to write."""
    if call.function == "matches":
        yield 1, _PATTERN
    if call.function == "format":
        yield 0, _FORMAT
    if call.function in _ZONED and len(call.args) > 1:
        yield 1, _ZONE


def _large(text: str) -> str:
    cost = pattern(text).compiled
    if cost <= COMPILED_MAX:
        return ""
    return f"too large a pattern: CEL compiles it each time, in {cost / 1000:.0f} ms; repeat less, or take no \\p class"
