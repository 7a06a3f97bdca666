"""Instants, spans and names as people read them. No clock is read here: `now` is handed in."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from dispatcher.core.facts import Ms, Participant
from dispatcher.core.rules import Target

NAMED_MAX: Final = 3  # people that are named; more are counted

_WHOLE_S: Final = 9.95  # from here on the tenths are left out
_DAY_S: Final = 86_400
_UNITS: Final = ((_DAY_S, "days"), (3_600, "h"), (60, "min"))  # shown from two of them on


def clock(at: Ms) -> str:
    """The time of day in UTC."""
    seconds, ms = divmod(at, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours % 24:02}:{minute:02}:{second:02}.{ms:03}"


def date(at: Ms) -> str:
    """The day in UTC, such as 2026-11-26."""
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()


def at_utc(at: Ms) -> str:
    """The time of day to the second, labelled."""
    return f"{clock(at)[:8]} UTC"


def span(of: Ms) -> str:
    """A span that was set: exact."""
    return f"{of / 1000:g} s"


def about(of: Ms) -> str:
    """A span that has passed: in seconds, one place below ten; in the largest unit of which there are two."""
    seconds = max(0, of) / 1000
    for length, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{seconds:.1f} s" if seconds < _WHOLE_S else f"{round(seconds)} s"


def ago(at: Ms, now: Ms) -> str:
    """How long ago it was."""
    return f"{about(now - at)} ago"


def named(target: Target) -> str:
    """The target in backticks; in words where no agent could be named."""
    if not target.name:
        return "an agent that could not be named"
    return f"`{target.agent}`, deployment `{target.deployment}`" if target.deployment else f"`{target.name}`"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def people(some: Sequence[Participant]) -> str:
    """Who they are, by joining: NAMED_MAX at most, and how many more."""
    ordered = sorted(some, key=lambda one: one.joined_at)
    more = [f"{len(ordered) - NAMED_MAX} more"] if len(ordered) > NAMED_MAX else []
    return listed([*(f"{one.identity} ({one.kind})" for one in ordered[:NAMED_MAX]), *more])
