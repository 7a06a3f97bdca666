"""Gives out slots by name at a rate: for `pace`, `adjust` and `turn` of the memory ledger."""

from heapq import heappop, heappush

from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import ADJUST_TTL_MS


class Slots:
    """Slots by name, given out at a pace: GCRA. A name is forgotten once its theoretical arrival time has passed."""

    def __init__(self) -> None:
        self._arrivals: dict[str, float] = {}
        self._passing: list[tuple[float, str]] = []  # a heap
        self._slow: dict[str, tuple[float, Ms]] = {}  # factor, and until when; as many names as there are agents

    def take(self, name: str, now: Ms, interval: float, burst: int) -> float:
        """Take the name's next slot; returns how many ms until it comes, 0 being now."""
        self._forget_passed(now)
        interval *= self._slowness(name, now)
        arrival = self._arrivals.get(name, now)
        self._arrivals[name] = arrival + interval
        heappush(self._passing, (arrival + interval, name))
        return max(0.0, arrival - (burst - 1) * interval - now)

    def take_turn(self, name: str, now: Ms, every: Ms) -> bool:
        """Whether the name's turn is free; then it is taken for `every` ms."""
        return self.is_free(name, now) and self.take(name, now, interval=every, burst=1) == 0

    def adjust(self, name: str, by: float, most: float, now: Ms) -> float:
        """Spread the name's slots apart by the factor `by`, within 1 and `most`; returns the factor in force."""
        factor = min(most, max(1.0, self._slowness(name, now) * by))
        self._slow[name] = (factor, now + ADJUST_TTL_MS)
        if factor == 1:
            del self._slow[name]
        return factor

    def _slowness(self, name: str, now: Ms) -> float:
        factor, until = self._slow.get(name, (1.0, 0))
        if until <= now:
            self._slow.pop(name, None)
            return 1.0
        return factor

    def is_free(self, name: str, now: Ms) -> bool:
        """Whether a slot taken now would come now."""
        self._forget_passed(now)
        return name not in self._arrivals

    def _forget_passed(self, now: Ms) -> None:
        while self._passing and self._passing[0][0] <= now:
            arrival, name = heappop(self._passing)
            if self._arrivals.get(name) == arrival:
                del self._arrivals[name]
