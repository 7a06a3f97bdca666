"""Which events the memory ledger has seen."""

from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import DEDUPE_MS


class EventIds:
    """Event ids, remembered in two buckets for DEDUPE_MS to twice that."""

    def __init__(self) -> None:
        self._number = 0
        self._current: set[str] = set()
        self._previous: set[str] = set()

    def expire(self, now: Ms) -> None:
        """Drop buckets older than the previous one."""
        number = now // DEDUPE_MS
        if number <= self._number:
            return
        self._previous = self._current if number == self._number + 1 else set()
        self._current = set()
        self._number = number

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._current or event_id in self._previous

    def add(self, event_id: str) -> None:
        """Remember the id; never the empty one."""
        if event_id:
            self._current.add(event_id)
