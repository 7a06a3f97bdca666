"""What must be written out in a rule: countries, and what CEL reads as a program: patterns, formats, time zones.

What people say of themselves is never one: a pattern of 6 kB took 21 s to compile. What is written out is checked when
the rule loads.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from dispatcher.expressions.mistakes import Mistake
from dispatcher.expressions.nodes import Call, Node, Text, below
from dispatcher.expressions.patterns import COMPILED_MAX, pattern
from dispatcher.expressions.phone import COUNTRIES

Check: TypeAlias = Callable[[str], str]  # what is wrong with a text, "" if nothing

_WRITTEN: Final[Mapping[str, str]] = {
    "pattern": (
        "a pattern must be written out, as in matches('^night-[0-9]+$'); compare texts by ==, in or contains()"
    ),
    "format": "a format must be written out, as in '%s-%d'.format([…])",
    "zone": "a time zone must be written out, as in getHours('Europe/Paris')",
    "country": "a country must be written out, as in phone(x, 'US')",
}
_SAID_FOR: Final = {"UK": "GB"}
_ZONED: Final = frozenset({
    "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds",
    "getMinutes", "getMonth", "getSeconds",
})  # fmt: skip


def unwritten(root: Node, bad_pattern: Check, bad_zone: Check) -> Iterator[Mistake]:
    """Every such text that is computed, and every one that is written out and wrong; CEL itself says which are."""
    checks: Mapping[str, Check] = {
        "pattern": lambda text: bad_pattern(text) or _large(text),
        "zone": bad_zone,
        "country": _no_country,
    }
    for call in [node for node in below(root) if isinstance(node, Call)]:
        for at, what in _programs(call):
            part, offset = call.args[at], call.offsets[at]
            if not isinstance(part, Text):
                yield Mistake(offset, _WRITTEN[what])
            elif why := checks.get(what, _fine)(part.value):
                yield Mistake(offset, why)


def _programs(call: Call) -> Iterator[tuple[int, str]]:
    """Which arguments of the call must be written out, and what they are."""
    if call.function == "matches":
        yield 1, "pattern"
    if call.function == "format":
        yield 0, "format"
    if call.function in _ZONED and len(call.args) > 1:
        yield 1, "zone"
    if call.function == "phone" and len(call.args) > 1:
        yield 1, "country"


def _fine(_text: str) -> str:
    return ""


def _no_country(text: str) -> str:
    if text in COUNTRIES:
        return ""
    meant = _SAID_FOR.get(text.upper(), text.upper()[:2])  # 'us', 'USA'
    near = f"; did you mean '{meant}'?" if meant in COUNTRIES else ""
    return f"no country '{text}': write its two letters of ISO 3166, as in 'US'{near}"


def _large(text: str) -> str:
    cost = pattern(text).compiled
    if cost <= COMPILED_MAX:
        return ""
    return f"too large a pattern: CEL compiles it each time, in {cost / 1000:.0f} ms; repeat less, or take no \\p class"
