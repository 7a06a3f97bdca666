"""What changes, for everybody who reads `GET /v1/events` here: one reading of the ledger for all of them.

The ledger is read only while somebody reads here. What is kept is bounded: the newest CHANGES_MAX events, and for each
reader QUEUE_MAX of them at most. Whoever is further behind, comes back too late, or may have missed something as the
ledger did not answer, gets a gap in their place: everything may have changed, and is to be fetched anew.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Final, NamedTuple

from msgspec import Struct

from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import Ms
from dispatcher.ledger.changes import CHANGES_MAX, Announced, Change
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.telemetry.metrics import Metrics, begin

EVERY_S: Final = 0.25  # between two readings: so old is what a reader hears
AGAIN_S: Final = 1.0  # until the next one after one that failed
FIRST_S: Final = 1.5  # for so long a reader waits for the first one
QUEUE_MAX: Final = 1_024
DIGITS_MAX: Final = 16  # of a number in an id: a long text is not read as one, that takes long
CHUNK_MAX: Final = 65_536  # bytes that a reader is sent at once, but for a single event that is larger


class Point(NamedTuple):
    """Where an event stands among all events of all replicas; between two of them where the last part is 0."""

    at: Ms
    number: int = 0
    partition: int = 0
    part: int = 0  # of one change, from 1

    def __str__(self) -> str:
        return "-".join(map(str, self))

    @classmethod
    def read(cls, text: str) -> "Point | None":
        """The point that an event's id names; None: it names none."""
        parts = text.split("-")
        if len(parts) != len(cls._fields) or not all(_is_number(part) for part in parts):
            return None
        return cls(*map(int, parts))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX


class FeedEvent(Struct, frozen=True):
    """Something that has changed, as readers get it."""

    point: Point
    project: str
    room: str  # "": of no room alone
    text: bytes  # as it is sent


class Gap(StrEnum):
    """Why a reader has missed something, or may have. Bounded: a metric's label."""

    SLOW = "slow_reader"
    LATE = "too_late"
    LEDGER = "ledger"


class TooManyReaders(DispatcherError):
    """As many read as may."""


class Reader:
    """Somebody who reads: the events that they `want` and have not been sent yet."""

    def __init__(self, after: Point | None, wants: Callable[[FeedEvent], bool]) -> None:
        self.after = after
        self._wants = wants
        self._queue = deque[FeedEvent]()
        self._woken = asyncio.Event()
        self._missed_to: Point | None = None  # something before it may be missing
        self.begun = False

    def put(self, event: FeedEvent) -> Gap | None:
        """Queue the event if it is wanted and new; without room for it there is a gap."""
        if (self.after is not None and event.point <= self.after) or not self._wants(event):
            return None
        if len(self._queue) >= QUEUE_MAX:
            self.miss(event.point)
            return Gap.SLOW
        self._queue.append(event)
        self._woken.set()
        return None

    def miss(self, to: Point) -> None:
        """In the place of everything up to this point there is a gap."""
        self._queue.clear()
        self._missed_to = to
        self._woken.set()

    def wake(self) -> None:
        """Let them look whether they may go on."""
        self._woken.set()

    async def take(self, within: float) -> tuple[Point | None, bytes]:
        """Take what is to be sent next, if it comes within so many seconds: where there is a gap, and what follows."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._woken.wait()
        gap, self._missed_to = self._missed_to, None
        chunk: list[bytes] = []
        size = 0
        while self._queue and (not size or size + len(self._queue[0].text) <= CHUNK_MAX):
            chunk.append(self._queue.popleft().text)
            size += len(chunk[-1])
        if not self._queue:
            self._woken.clear()
        return gap, b"".join(chunk)


class Feed:
    """Reads the ledger's changes for all readers, `most` of them at most; `tell` makes events of a change."""

    def __init__(
        self,
        changes: Callable[[Ms], Awaitable[Announced]],
        tell: Callable[[Change], Iterable[FeedEvent]],
        metrics: Metrics,
        *,
        most: int,
    ) -> None:
        self.changes = changes
        self.tell = tell
        self.metrics = metrics
        self.most = most
        self.ended = False
        begin(metrics.event_gaps_total, Gap)
        self._readers: set[Reader] = set()
        self._watched = asyncio.Event()
        self._read_once = asyncio.Event()  # or tried to
        self._failed = False  # to read
        self._kept = deque[FeedEvent]()
        self._complete_from: Ms = 0  # nothing that was announced since is missing in what is kept
        self._since: Ms | None = None  # what was announced before has been read; None: nothing has

    @property
    def point(self) -> Point | None:
        """Everything before it has been put into the queues; None: nothing has been read."""
        return None if self._since is None else Point(self._since)

    @contextmanager
    def reading(self, after: Point | None, wants: Callable[[FeedEvent], bool]) -> Iterator[Reader]:
        """Somebody reads: all events from now on, or those `after` a point of before. Raises TooManyReaders."""
        if len(self._readers) >= self.most:
            raise TooManyReaders(f"{self.most} read already, which is as many as may")
        reader = Reader(after, wants)
        self._readers.add(reader)
        self.metrics.event_readers.set(len(self._readers))
        self._watched.set()
        if self._since is not None:
            self._begin(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            self.metrics.event_readers.set(len(self._readers))
            if not self._readers:
                self._watched.clear()

    async def wait_begun(self) -> None:
        """Wait until the ledger has been read once: nothing is missed from then on. At most FIRST_S."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_S):
                await self._read_once.wait()

    def end(self) -> None:
        """Whoever reads goes, now."""
        self.ended = True
        self._read_once.set()
        for reader in self._readers:
            reader.wake()

    async def run(self) -> None:
        """Read what has changed while somebody reads here, until it is cancelled: then whoever reads goes, at once."""
        try:
            while True:
                await self._turn()
        except asyncio.CancelledError:
            self.end()
            raise

    async def _turn(self) -> None:
        if not self._readers:
            self._forget()
            await self._watched.wait()
        try:
            await self.read()
        except LedgerUnavailable:  # whoever watches the ledger tells of it
            self._failed = True
        self._read_once.set()
        await asyncio.sleep(AGAIN_S if self._failed else EVERY_S)

    async def read(self) -> None:
        """Read what has changed since the last reading, and give it to everybody. Raises LedgerUnavailable."""
        changes = await self.changes(self._since or 0)
        first, since = self._since is None, self._since or changes.complete_from
        if first or changes.complete_from > since:  # the ledger may have lost what it had
            self._kept.clear()
            self._complete_from = since = changes.complete_from
            self._failed = self._failed or not first
        events = [event for change in changes.changes for event in self.tell(change)]
        for event in events:
            self._keep(event)
        self._since = max(since, changes.until)
        for reader in self._readers:
            self._give(reader, events)
        self._failed = False

    def _give(self, reader: Reader, events: Iterable[FeedEvent]) -> None:
        if self._failed:
            reader.begun = True
            self._gap(reader, Gap.LEDGER)
        elif not reader.begun:
            self._begin(reader)
        else:
            self._put(reader, events)

    def _begin(self, reader: Reader) -> None:
        reader.begun = True
        if reader.after is None:
            return
        if reader.after.at < self._complete_from:
            self._gap(reader, Gap.LATE)
        else:
            self._put(reader, self._kept)

    def _put(self, reader: Reader, events: Iterable[FeedEvent]) -> None:
        gaps = {reader.put(event) for event in events}
        if Gap.SLOW in gaps:
            self.metrics.event_gaps_total.labels(Gap.SLOW).inc()

    def _gap(self, reader: Reader, why: Gap) -> None:
        """Everything that was read so far is missing in what the reader gets, or may be."""
        reader.miss(Point(self._since or 0))
        self.metrics.event_gaps_total.labels(why).inc()

    def _keep(self, event: FeedEvent) -> None:
        if len(self._kept) >= CHANGES_MAX:
            self._complete_from = self._kept.popleft().point.at + 1
        self._kept.append(event)

    def _forget(self) -> None:
        """Begin anew with the next reader."""
        self._kept.clear()
        self._since, self._failed = None, False
        self._read_once.clear()
