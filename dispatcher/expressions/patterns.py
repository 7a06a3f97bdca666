"""What a regular expression costs: CEL compiles it anew each time it is asked, and matches with RE2.

RE2 goes through a text in 5 ns a byte where it knows the state of its automaton, and makes those it does not know: at
most one for each byte, and one for each set of the pattern's places. So [ab]*a[ab]{200}z over 60 kB of a and b takes
0.3 s. All this is worked out from the pattern as it is written. Numbers: docs/adr/0022.
"""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct

COMPILED_MAX: Final = 5_000.0  # microseconds: one \p class takes 3,200 of them

_Weigh: TypeAlias = "Callable[[re.Match[str]], float]"

_KNOWN: Final = 0.01  # microseconds for a byte whose state is known
_MADE: Final = 0.06  # microseconds to make a state, for each place that may be in it
_REPEATED: Final = 6.0  # microseconds that a *, or each time that a count leaves open, adds
_ANY_CASE: Final = 3.0  # times as much
_SIDES: Final = 4  # what is known of the last byte, for ^, $ and \b
_PLACES_MAX: Final = 60  # 2**60 states are as good as any number
_BETWEEN: Final = frozenset({"^", "$", "|", r"\b", r"\B", r"\A", r"\z"})  # take no byte
_TOKEN: Final = re.compile(
    r"""(?P<property> \\[pP] (?: \{[^}]*\} | . ) )
    | \\Q (?P<quoted> .*? ) (?: \\E | $ )
    | (?P<wide> \\[DSW] | \. | \[\^ \]? (?: \[:\^?\w+:\] | \\. | [^\]\\] )* \] )
    | (?P<class> \\[dsw] | \[ \]? (?: \[:\^?\w+:\] | \\. | [^\]\\] )* \] )
    | (?P<flags> \(\? [a-zA-Z-]* \) )
    | (?P<open> \( (?: \?P?<\w+> | \? [a-zA-Z-]* : )? )
    | (?P<close> \) )
    | \{ (?P<least> \d+ ) (?: , (?P<most> \d* ) )? \}
    | (?P<repeat> [*+?] )
    | (?P<wild> \\x \{ [^}]* \} | [^\x00-\x7f] )
    | (?: \\x.. | \\. | . )""",
    re.VERBOSE | re.DOTALL,
)


class Pattern(Struct, frozen=True):
    """What a pattern costs: microseconds to compile it, and to make a state; how many states there are at most."""

    compiled: float
    state: float
    states: float

    def cost(self, length: int) -> float:
        """Microseconds that matching a text of so many bytes takes at most."""
        return self.compiled + length * _KNOWN + min(length, self.states) * self.state


def pattern(text: str) -> Pattern:
    """What the pattern costs, which RE2 accepts."""
    times = _ANY_CASE if re.search(r"\(\?[a-zA-Z]*i", text) else 1
    places = min(times * _sum(text, _places, 0), _PLACES_MAX)  # in any case k has a form of three bytes
    return Pattern(times * _sum(text, _compiling, _REPEATED), 1 + _MADE * _sum(text, _size, 1), _SIDES * 2.0**places)


def _sum(text: str, weigh: _Weigh, repeated: float) -> float:
    groups, last = [0.0], 0.0  # of each open group what it has so far, and what a count would repeat
    for token in _TOKEN.finditer(text):
        if token["open"]:
            groups.append(0.0)
            continue
        if token["close"]:
            more = last = groups.pop()
        elif token["least"]:
            least, most = int(token["least"]), int(token["most"] or 0)
            more = last * (max(least, most, 1) - 1) + repeated * max(0, most - least)
            last += more
        elif token["repeat"]:
            more, last = repeated, last + repeated
        else:
            more = last = weigh(token)
        groups[-1] += more
    return sum(groups)


def _compiling(token: "re.Match[str]") -> float:
    """Measured on two shared cores, and doubled."""
    properties = len(re.findall(r"\\[pP]", token[0]))
    if properties:
        return 4_000.0 * properties
    if token["wide"]:
        return 16.0
    if token["class"]:
        return 6.0 + len(token["class"]) / 4
    return 2.0 * len(token["quoted"] or "x") * (2 if token["wild"] else 1)


def _size(token: "re.Match[str]") -> float:
    """How many instructions it becomes, about."""
    if token["property"]:
        return 100
    return 6 if token["wide"] else 3 if token["class"] else len(token["quoted"] or "x")


def _places(token: "re.Match[str]") -> float:
    """How many of its instructions take a byte: all but the last of a character's bytes are places of their own."""
    if token["property"] or token["wide"] or token["wild"]:
        return 4
    if token["class"] and not token["class"].isascii():
        return 4
    return 0 if token[0] in _BETWEEN else len(token["quoted"] or "x")
