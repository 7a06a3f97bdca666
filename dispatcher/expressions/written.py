"""What must be written out in a rule: countries, and what CEL reads as a program: patterns, formats, time zones.

What people say of themselves is never one: a pattern of 6 kB took 21 s to compile. What is written out is checked when
the rule loads.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from dispatcher.expressions.functions import OURS, WrittenOut
from dispatcher.expressions.mistakes import Mistake
from dispatcher.expressions.nodes import Call, Node, Text, below
from dispatcher.expressions.patterns import COMPILED_MAX, pattern

Check: TypeAlias = Callable[[str], str]  # what is wrong with a text, "" if nothing

_PATTERN: Final = (
    "a pattern must be written out, as in matches('^night-[0-9]+$'); compare texts by ==, in or contains()"
)
_FORMAT: Final = "a format must be written out, as in '%s-%d'.format([…])"
_ZONE: Final = "a time zone must be written out, as in getHours('Europe/Paris')"
_ZONED: Final = frozenset({
    "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds",
    "getMinutes", "getMonth", "getSeconds",
})  # fmt: skip


def unwritten(root: Node, bad_pattern: Check, bad_zone: Check) -> Iterator[Mistake]:
    """Every such text that is computed, and every one that is written out and wrong; CEL itself says which are."""
    must: Mapping[str, Mapping[int, WrittenOut]] = {
        "matches": {1: WrittenOut(_PATTERN, lambda text: bad_pattern(text) or _large(text))},
        "format": {0: WrittenOut(_FORMAT)},
        **{name: {1: WrittenOut(_ZONE, bad_zone)} for name in _ZONED},
        **{name: one.written for name, one in OURS.items()},
    }
    for call in [node for node in below(root) if isinstance(node, Call)]:
        for at, literal in must.get(call.function, {}).items():
            part = call.args[at] if at < len(call.args) else None
            if part is not None and (why := literal.wrong(part.value) if isinstance(part, Text) else literal.otherwise):
                yield Mistake(call.offsets[at], why)


def _large(text: str) -> str:
    cost = pattern(text).compiled
    if cost <= COMPILED_MAX:
        return ""
    return f"too large a pattern: CEL compiles it each time, in {cost / 1000:.0f} ms; repeat less, or take no \\p class"
