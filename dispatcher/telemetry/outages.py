"""Trouble that stays is told as a state: when it begins, every AGAIN_S while it lasts, and when it is over.

A Redis or a LiveKit that is away fails many calls a second, and each of them says the same.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

AGAIN_S: Final = 30.0  # between two lines about one thing that say the same


class Outage(Struct, frozen=True):
    """How long the trouble has lasted, in seconds, and how many calls have failed by it."""

    seconds: int
    failures: int

    @property
    def fields(self) -> dict[str, int]:
        """As a line of the log shows it; of the first failure there is nothing to show."""
        return {"seconds": self.seconds, "failures": self.failures} if self.failures > 1 else {}


@dataclass(slots=True)
class _Lasting:
    since: float
    failures: int = 0
    told: bool = False


class Outages:
    """What is in trouble now, by its name. `now` is in seconds, of a clock that never steps back."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lasting: dict[str, _Lasting] = {}
        self._told_at: dict[tuple[str, str], float] = {}  # of what and why; both are bounded

    def failed(self, what: str, why: str) -> Outage | None:
        """Note that a call has failed. None: a line said the same less than AGAIN_S ago, so do not tell it again."""
        now = self._now()
        outage = self._lasting.setdefault(what, _Lasting(now))
        outage.failures += 1
        if now - self._told_at.get((what, why), float("-inf")) < AGAIN_S:
            return None
        self._told_at[what, why] = now
        outage.told = True
        return Outage(int(now - outage.since), outage.failures)

    def answered(self, what: str) -> Outage | None:
        """Note that a call has succeeded. None: there was no trouble, or no line told of it."""
        outage = self._lasting.pop(what, None)
        if outage is None or not outage.told:
            return None
        return Outage(int(self._now() - outage.since), outage.failures)
