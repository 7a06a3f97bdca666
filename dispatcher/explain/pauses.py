"""Who has paused an agent, until when and why; and which split has taken it out: in words."""

from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.core.pauses import Pause, Paused
from dispatcher.core.splits import Side
from dispatcher.core.text import visible
from dispatcher.explain.words import at_utc, date

BY_CONFIGURATION: Final = "the configuration"


def paused_by(one: Paused, now: Ms) -> str:
    """Such as `paused by maria until 12:30:00 UTC: deploy`."""
    if one.pause is None:
        return f"paused by {BY_CONFIGURATION}"
    ordered = f"paused by {_ordered(one.pause, now)}"
    return f"{ordered}; and by {BY_CONFIGURATION}" if one.configured else ordered


def taken_out_by(rule: str, side: Side, now: Ms) -> str:
    """Such as `taken out of the split of line since 12:30:00 UTC: 12 bad rooms of 40; 3 of 360 on the other side`."""
    since = at_utc(side.stopped_at)
    on = "" if date(side.stopped_at) == date(now) else f"{date(side.stopped_at)} "
    return visible(f"taken out of the split of {rule} since {on}{since}: {side.figures}")


def until(at: Ms, now: Ms) -> str:
    """The end of a pause: the time of day, with the date where it is another's."""
    if not at:
        return "until somebody resumes it"
    return f"until {at_utc(at)}" if date(at) == date(now) else f"until {date(at)} {at_utc(at)}"


def _ordered(pause: Pause, now: Ms) -> str:
    return visible(f"{pause.by} {until(pause.until, now)}{pause.reason and f': {pause.reason}'}")
