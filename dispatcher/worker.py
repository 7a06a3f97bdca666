"""Owns the running drives: sessions that intake was handed, and those that are due. Bounded, and drained on stop.

The claim loop sleeps until the next due time or lease end, or until somebody wakes it; IDLE_S at most, as other
replicas may have made something due. A drive that fails costs its lease, nothing more: whoever claims it then goes on.
"""

import asyncio
from typing import Final

from dispatcher.driver import Driver
from dispatcher.ledger.interface import Held, Ledger, LedgerUnavailable
from dispatcher.logs import Log
from dispatcher.metrics import Metrics

IDLE_S: Final = 1.0
RETRY_S: Final = 0.5  # the ledger did not answer


class Worker:
    """Runs at most `limit` drives at once."""

    def __init__(
        self, ledger: Ledger, driver: Driver, woken: asyncio.Event, log: Log, metrics: Metrics, *, limit: int = 256
    ) -> None:
        self.ledger = ledger
        self.driver = driver
        self.woken = woken  # set when something is due sooner than the last claim said
        self.log = log
        self.metrics = metrics
        self.limit = limit
        self.trouble: str | None = "starting"
        self._drives: dict[asyncio.Task[None], Held] = {}
        self._stopping = False

    @property
    def free(self) -> int:
        """How many more drives may start now."""
        return 0 if self._stopping else self.limit - len(self._drives)

    def take(self, held: Held) -> None:
        """The session is being driven."""
        task = asyncio.create_task(self._drive(held), name=f"drive {held.lease.key.sid}")
        self._drives[task] = held
        task.add_done_callback(self._done)

    async def run(self) -> None:
        """Claims what is due, for ever."""
        while True:
            self.woken.clear()
            pause = await self._claim()
            await _either(self.woken, pause)

    def drain(self) -> None:
        """No new drive starts; what still comes in is recorded, for others."""
        self._stopping = True
        self.trouble = "draining"

    async def stop(self, within: float) -> None:
        """Nothing runs any more: the drives finished within `within` seconds, or their sessions were handed back."""
        self.drain()
        if self._drives:
            await asyncio.wait(set(self._drives), timeout=within)
        left = dict(self._drives)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for held in left.values():
            await self._release(held)

    async def _claim(self) -> float:
        """Everything due was started, as far as there is room; how many seconds to sleep."""
        if self.free <= 0:
            return IDLE_S
        try:
            claimed, wait = await self.ledger.claim(self.free)
        except LedgerUnavailable:
            self._troubled("ledger_unavailable")
            return RETRY_S
        self.trouble = None if not self._stopping else "draining"
        for held in claimed:
            self.metrics.due_lag_seconds.observe(max(0, held.now - held.due) / 1000)
            self.take(held)
        return IDLE_S if wait is None else min(IDLE_S, wait / 1000)

    def _troubled(self, reason: str) -> None:
        if self.trouble != reason:
            self.log.error(reason)
        self.trouble = reason

    async def _drive(self, held: Held) -> None:
        try:
            await self.driver.drive(held)
        except LedgerUnavailable:
            self._troubled("ledger_unavailable")
        except Exception as error:  # noqa: BLE001 one session's trouble is not the others'
            self.metrics.loop_errors_total.labels(loop="drive").inc()
            self.log.error("drive_failed", room=held.lease.key.room, sid=held.lease.key.sid, error=error)

    def _done(self, task: asyncio.Task[None]) -> None:
        was_full = self.free <= 0
        del self._drives[task]
        if was_full:
            self.woken.set()

    async def _release(self, held: Held) -> None:
        try:
            await self.ledger.release(held.lease)
        except LedgerUnavailable:
            self.log.warning("not_released", sid=held.lease.key.sid)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """The event was set, or the time has passed."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
