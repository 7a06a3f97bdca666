"""Time that passes only from one happening to the next."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import TypeAlias

from dispatcher.core.facts import Ms

Do: TypeAlias = Callable[[], object]


class Clock:
    """A heap of future happenings; those of the same instant happen in the order in which they were planned."""

    def __init__(self, now: Ms) -> None:
        self.now = now
        self._heap: list[tuple[Ms, int, Do]] = []
        self._tickets = count()

    def at(self, when: Ms, do: Do) -> None:
        """It will happen then, or now if that has passed."""
        heappush(self._heap, (max(when, self.now), next(self._tickets), do))

    def after(self, span: Ms, do: Do) -> None:
        """It will happen in so many ms."""
        self.at(self.now + span, do)

    def run(self, until: Ms, and_then: Do) -> None:
        """Everything up to `until` has happened, each followed by `and_then`."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, do = heappop(self._heap)
            do()
            and_then()
        self.now = until
