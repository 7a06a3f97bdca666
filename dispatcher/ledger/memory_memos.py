"""A few bytes by name, as the memory ledger keeps them: bounded, and forgotten a day after they were last replaced."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import MEMO_TTL_MS, Telling
from dispatcher.ledger.memory_changes import KeptChanges
from dispatcher.ledger.memory_notices import WaitingNotices

MEMOS_MAX: Final = 10_000  # names; beyond them the one that was replaced longest ago is forgotten


class Memos:
    """Memos by name, those replaced longest ago first."""

    def __init__(self, notices: WaitingNotices, changes: KeptChanges) -> None:
        self._notices = notices
        self._changes = changes
        self._kept: OrderedDict[str, tuple[bytes, Ms]] = OrderedDict()  # and until when

    def get(self, name: str, now: Ms) -> bytes | None:
        """The memo of this name; None: there is none."""
        while self._kept and next(iter(self._kept.values()))[1] <= now:
            self._kept.popitem(last=False)
        kept = self._kept.get(name)
        return kept[0] if kept else None

    def each(self, names: Sequence[str], now: Ms) -> Sequence[bytes | None]:
        """The memo of each of these names."""
        return [self.get(name, now) for name in names]

    def replace(self, name: str, before: bytes | None, after: bytes, now: Ms, telling: Telling) -> bytes | None:
        """Replace the memo by `after`, and tell of it, if it is `before`; what it is then."""
        if (kept := self.get(name, now)) != before:
            return kept
        self._notices.post(telling.notices)
        self._changes.announce(telling.change if after != before else b"", now)
        self._kept[name] = (after, now + MEMO_TTL_MS)
        self._kept.move_to_end(name)
        if len(self._kept) > MEMOS_MAX:
            self._kept.popitem(last=False)
        return after
