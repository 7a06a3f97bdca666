"""Watches each operation of any ledger: the one place that measures, and that knows whether the ledger answers."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar, Unpack

from dispatcher.core.effects import Then
from dispatcher.core.facts import Ms
from dispatcher.ledger.changes import Announced
from dispatcher.ledger.interface import (
    SILENT,
    Claimed,
    Counts,
    Delivery,
    Key,
    Lease,
    Ledger,
    LedgerUnavailable,
    Life,
    Notices,
    SaveAnswer,
    Slot,
    Standing,
    Telling,
)
from dispatcher.ledger.order import PageFields

T = TypeVar("T")
Observe: TypeAlias = Callable[[str, float, LedgerUnavailable | None], None]  # operation, seconds, why it failed


class TimedLedger:
    """The same ledger; `observe` gets every operation's time, and its error if the ledger did not answer."""

    def __init__(self, ledger: Ledger, observe: Observe) -> None:
        self._ledger = ledger
        self._observe = observe

    @property
    def notices(self) -> Notices:
        return self._ledger.notices

    async def _timed(self, op: str, operation: Awaitable[T]) -> T:
        began = time.perf_counter()
        trouble: LedgerUnavailable | None = None
        try:
            return await operation
        except LedgerUnavailable as error:
            trouble = error
            raise
        finally:
            self._observe(op, time.perf_counter() - began, trouble)

    async def deliver(self, key: Key, event_id: str, event: bytes, *, take: bool = True) -> Delivery:
        return await self._timed("deliver", self._ledger.deliver(key, event_id, event, take=take))

    async def claim(self, limit: int) -> Claimed:
        return await self._timed("claim", self._ledger.claim(limit))

    async def save(
        self, lease: Lease, record: bytes, upto: int, then: Then, *, due_at: Ms = 0, telling: Telling = SILENT
    ) -> SaveAnswer:
        saving = self._ledger.save(lease, record, upto, then, due_at=due_at, telling=telling)
        return await self._timed("save", saving)

    async def renew(self, lease: Lease) -> Lease | None:
        return await self._timed("renew", self._ledger.renew(lease))

    async def release(self, lease: Lease, *, alone_until: Ms = 0) -> None:
        await self._timed("release", self._ledger.release(lease, alone_until=alone_until))

    async def find(self, project: str, room: str) -> list[Life]:
        return await self._timed("find", self._ledger.find(project, room))

    async def touch(self, keys: Sequence[Key]) -> set[Key]:
        return await self._timed("touch", self._ledger.touch(keys))

    async def counts(self) -> Counts:
        return await self._timed("counts", self._ledger.counts())

    async def standings(self) -> Mapping[tuple[str, Standing], int]:
        return await self._timed("standings", self._ledger.standings())

    async def turn(self, name: str, every: Ms) -> bool:
        return await self._timed("turn", self._ledger.turn(name, every))

    async def pace(self, name: str, *, interval: float, burst: int) -> Slot:
        return await self._timed("pace", self._ledger.pace(name, interval=interval, burst=burst))

    async def adjust(self, name: str, by: float, *, most: float) -> float:
        return await self._timed("adjust", self._ledger.adjust(name, by, most=most))

    async def memos(self, names: Sequence[str]) -> Sequence[bytes | None]:
        return await self._timed("memos", self._ledger.memos(names))

    async def replace_memo(
        self, name: str, before: bytes | None, after: bytes, *, telling: Telling = SILENT
    ) -> bytes | None:
        return await self._timed("replace_memo", self._ledger.replace_memo(name, before, after, telling=telling))

    async def changes(self, since: Ms) -> Announced:
        return await self._timed("changes", self._ledger.changes(since))

    async def now(self) -> Ms:
        return await self._timed("now", self._ledger.now())

    async def aclose(self) -> None:
        await self._ledger.aclose()

    async def list(self, project: str, state: str | None = None, **page: Unpack[PageFields]) -> list[Life]:
        return await self._timed("list", self._ledger.list(project, state, **page))
