"""Notices that wait to be collected, as the memory ledger keeps them: bounded, the oldest first."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import count, islice

from dispatcher.core.facts import Ms
from dispatcher.ledger.interface import NOTICES_MAX, NOTICES_TTL_MS, PostedNotice


class WaitingNotices:
    """Notices by id, in the order of their posting."""

    def __init__(self, clock: Callable[[], Ms]) -> None:
        self._clock = clock
        self._waiting: OrderedDict[str, bytes] = OrderedDict()
        self._ids = count()
        self._until: Ms = 0

    def post(self, notices: Sequence[bytes]) -> None:
        """These wait from now on; beyond NOTICES_MAX the oldest are lost."""
        if not notices:
            return
        self._expire()
        self._until = self._clock() + NOTICES_TTL_MS
        for notice in notices:
            self._waiting[str(next(self._ids))] = notice
            if len(self._waiting) > NOTICES_MAX:
                self._waiting.popitem(last=False)

    async def oldest(self, limit: int) -> Sequence[PostedNotice]:
        self._expire()
        return [PostedNotice(id_, notice) for id_, notice in islice(self._waiting.items(), limit)]

    async def discard(self, ids: Sequence[str]) -> None:
        for id_ in ids:
            self._waiting.pop(id_, None)

    def _expire(self) -> None:
        if self._clock() >= self._until:
            self._waiting.clear()
