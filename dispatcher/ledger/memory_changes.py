"""What was announced, as the memory ledger keeps it: the newest CHANGES_MAX, while somebody asks for them."""

from collections import deque

from dispatcher.core.facts import Ms
from dispatcher.ledger.changes import CHANGES_MAX, WATCH_MS, Announced, Change


class KeptChanges:
    """Announced changes, the oldest first."""

    def __init__(self) -> None:
        self._kept = deque[Change](maxlen=CHANGES_MAX)
        self._watched_until: Ms = 0
        self._complete_from: Ms = 0

    def announce(self, body: bytes, now: Ms) -> None:
        """Keep the change, if there is one and somebody watches."""
        if not body or now >= self._watched_until:
            return
        number = self._kept[-1].number + 1 if self._kept and self._kept[-1].at == now else 0
        if len(self._kept) == CHANGES_MAX:
            self._complete_from = self._kept[0].at + 1
        self._kept.append(Change(now, number, 0, body))

    def read(self, since: Ms, now: Ms) -> Announced:
        """Those from `since` on and before now; they are announced for WATCH_MS more."""
        if now >= self._watched_until:
            self._kept.clear()
            self._complete_from = now
        self._watched_until = now + WATCH_MS
        return Announced(tuple(one for one in self._kept if since <= one.at < now), now, self._complete_from)
