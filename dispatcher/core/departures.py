"""What a session remembers of those who have left, or may leave: no look can show it."""

from typing import Final, NamedTuple

from msgspec import Struct

from dispatcher.core import timing
from dispatcher.core.facts import Ms

NOTES_MAX: Final = 16
DEPARTED_MAX: Final = 8
HERE_MAX: Final = 8


class Note(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an agent left: the one thing about a departure that no look can show."""

    sid: str
    identity: str
    reason: str
    received_at: Ms
    joined_at: Ms  # LiveKit's clock
    left_at: Ms  # LiveKit's clock, the end of the second that the webhook bears
    done: str = ""  # what the agent had said of being done

    @property
    def stayed(self) -> Ms:
        """How long it was there at least: up to 1 s short, as webhooks bear whole seconds."""
        return max(0, self.left_at - timing.SECOND_MS + 1 - self.joined_at)


class Attendee(NamedTuple):
    """A person's connection that the last look showed."""

    sid: str
    identity: str


class Departed(Struct, frozen=True, kw_only=True):
    """A person's connection that ended a moment ago: who comes back has not met the agent that said goodbye since."""

    sid: str
    identity: str
    heard_at: Ms
