"""Who has paused an agent, until when and why, in words."""

from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.core.pauses import Pause, Paused
from dispatcher.core.text import visible
from dispatcher.explain.words import at_utc, date

BY_CONFIGURATION: Final = "the configuration"


def paused_by(one: Paused, now: Ms) -> str:
    """Such as `paused by maria until 12:30:00 UTC: deploy`."""
    if one.pause is None:
        return f"paused by {BY_CONFIGURATION}"
    ordered = f"paused by {_ordered(one.pause, now)}"
    return f"{ordered}; and by {BY_CONFIGURATION}" if one.configured else ordered


def until(at: Ms, now: Ms) -> str:
    """The end of a pause: the time of day, with the date where it is another's."""
    if not at:
        return "until somebody resumes it"
    return f"until {at_utc(at)}" if date(at) == date(now) else f"until {date(at)} {at_utc(at)}"


def _ordered(pause: Pause, now: Ms) -> str:
    return visible(f"{pause.by} {until(pause.until, now)}{pause.reason and f': {pause.reason}'}")
