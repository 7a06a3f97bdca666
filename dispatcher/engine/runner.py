"""Owns the running drives: sessions that intake was handed, and those that are due. Bounded, and drained on stop.

The claim loop sleeps until the next due time or lease end, or until this process has made something due sooner. It
sleeps IDLE_S at most: what another replica made due, and did not come to, is found so much later. A drive that fails
costs its lease, nothing more: whoever claims it then goes on. One that the ledger failed is handed back, if it can be.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from dispatcher.core import timing
from dispatcher.engine.reconciler import Reconciler
from dispatcher.ledger.interface import Handover, Ledger, LedgerTaken, LedgerUnavailable
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics, begin

IDLE_S: Final = 1.0
COURTESY_S: Final = 1.5  # behind replicas of a later release: theirs are awake when a lease ends, or IDLE_S after it
RETRY_S: Final = 0.5  # the ledger did not answer
CLAIM_MAX: Final = 64  # sessions by one claim: meanwhile there is room for those that events hand out


class NotReady(StrEnum):
    """Why this process takes up no sessions; at /readyz, too."""

    STARTING = "starting"
    DRAINING = "draining"
    UNAVAILABLE = "ledger_unavailable"
    TAKEN = "ledger_taken"


class Runner:
    """Runs at most `concurrency` drives at once."""

    def __init__(
        self,
        ledger: Ledger,
        reconciler: Reconciler,
        woken: asyncio.Event,
        log: Log,
        metrics: Metrics,
        *,
        concurrency: int = 256,
    ) -> None:
        self.ledger = ledger
        self.reconciler = reconciler
        self.woken = woken  # set when something is due sooner than the last claim said
        self.log = log
        self.metrics = metrics
        self.concurrency = concurrency
        self.not_ready: NotReady | None = NotReady.STARTING
        begin(metrics.loop_errors_total, ["drive"])
        self._drives: dict[asyncio.Task[None], Handover] = {}
        self._reserved = 0  # places of sessions that may be handed out by what the ledger is being asked now
        self._stopping = False

    @property
    def free(self) -> int:
        """How many more drives may start now."""
        return 0 if self._stopping else max(0, self.concurrency - len(self._drives) - self._reserved)

    @contextmanager
    def reserved(self, most: int) -> Iterator[int]:
        """So many of the free places, `most` at most, are kept while the ledger is asked for sessions to fill them."""
        kept = min(most, self.free)
        self._reserved += kept
        try:
            yield kept
        finally:
            self._reserved -= kept

    def take(self, handover: Handover) -> None:
        """The session is being driven."""
        task = asyncio.create_task(self._drive(handover), name=f"drive {handover.lease.key.sid}")
        self._drives[task] = handover
        task.add_done_callback(self._done)

    async def run(self) -> None:
        """Claims what is due, for ever."""
        while True:
            self.woken.clear()
            pause = await self._claim()
            await _either(self.woken, pause)
            if self.reconciler.newer_records.deferred_lately:
                await asyncio.sleep(COURTESY_S)

    def drain(self) -> None:
        """No new drive starts; what still comes in is recorded, for others."""
        self._stopping = True
        self.not_ready = NotReady.DRAINING

    async def stop(self, within: float) -> None:
        """Nothing runs any more: the drives finished within `within` seconds, or their sessions were handed back."""
        self.drain()
        if self._drives:
            await asyncio.wait(set(self._drives), timeout=within)
        left = dict(self._drives)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.gather(*(self._release(handover) for handover in left.values()))

    async def _claim(self) -> float:
        """Everything due was started, as far as there is room; how many seconds to sleep."""
        with self.reserved(CLAIM_MAX) as places:
            if places == 0:
                return IDLE_S
            try:
                claimed, wait = await self.ledger.claim(places)
            except LedgerUnavailable as error:
                self._troubled(error)
                return RETRY_S
        self.not_ready = NotReady.DRAINING if self._stopping else None
        for handover in claimed:
            self.metrics.session_pickup_delay_seconds.observe(max(0, handover.now - handover.due) / 1000)
            self.take(handover)
        return IDLE_S if wait is None else min(IDLE_S, wait / 1000)

    def _troubled(self, error: LedgerUnavailable) -> None:
        self.not_ready = NotReady.TAKEN if isinstance(error, LedgerTaken) else NotReady.UNAVAILABLE

    async def _drive(self, handover: Handover) -> None:
        try:
            await self.reconciler.drive(handover)
        except LedgerUnavailable as error:
            self._troubled(error)
            await self._hand_back(handover)
        except Exception as error:  # noqa: BLE001 one session's trouble is not the others'
            self.metrics.loop_errors_total.labels(loop="drive").inc()
            self.log.error("drive.failed", room=handover.lease.key.room, sid=handover.lease.key.sid, error=error)

    async def _hand_back(self, handover: Handover) -> None:
        """The session is due again as soon as the ledger answers, not only when its lease ends.

        No call to LiveKit is under way: what the ledger has, and a look, are all that whoever is next needs.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timing.LEASE_MS / 1000
        while loop.time() < end:
            await asyncio.sleep(RETRY_S)  # also a drive that fails each time does so at this pace
            try:
                await self.ledger.release(handover.lease)
            except LedgerUnavailable as error:
                self._troubled(error)
            else:
                return

    def _done(self, task: asyncio.Task[None]) -> None:
        was_full = self.free <= 0
        del self._drives[task]
        if was_full:
            self.woken.set()

    async def _release(self, handover: Handover) -> None:
        try:
            await self.ledger.release(handover.lease)
        except LedgerUnavailable:
            self.log.warning("lease.kept", sid=handover.lease.key.sid)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """The event was set, or the time has passed."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
