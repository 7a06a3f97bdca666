"""Records that a later release wrote: left to its replicas for a while, as what we would save could not hold them.

While two releases run side by side, a session whose record this one cannot read is let go with its lease, for somebody
who can. Where nobody has advanced it in PATIENCE_MS there is nobody: the later release was rolled back, and a look
rebuilds the session, as it does with one that was lost.
"""

import math
import time
from typing import Final

from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.ledger import record
from dispatcher.ledger.interface import Handover, Key

PATIENCE_MS: Final[Ms] = 6 * timing.LEASE_MS  # a replica that can read it has had its turn
MET_MAX: Final = 10_000  # sessions remembered; beyond, all begin anew


class NewerRecords:
    """Remembers which records this process met and could not read, and since when."""

    def __init__(self) -> None:
        self._met: dict[Key, tuple[int, Ms]] = {}
        self._latest = -math.inf  # monotonic seconds

    @property
    def deferred_lately(self) -> bool:
        """A session was left to somebody else within PATIENCE_MS: who can read it is to be first at its lease's end."""
        return time.monotonic() < self._latest + PATIENCE_MS / 1000

    def defers(self, handover: Handover) -> bool:
        """The session is not ours to advance yet."""
        key = handover.lease.key
        if handover.record is None or not record.is_newer(handover.record):
            self._met.pop(key, None)
            return False
        met, since = self._met.get(key, (None, handover.now))
        if met != hash(handover.record):
            if len(self._met) >= MET_MAX:
                self._met.clear()
            since = handover.now
            self._met[key] = (hash(handover.record), since)
        asked_for = handover.now - since < PATIENCE_MS
        self._latest = time.monotonic() if asked_for else self._latest
        return asked_for
