"""What is the memory ledger's alone: its bounds, and the call that spares its process polling."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from dispatcher.core.effects import Then
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.interface import (
    DEDUPE_MS,
    LIVE_TTL_MS,
    Counts,
    Delivered,
    Key,
    LedgerUnavailable,
    Standing,
    Telling,
)
from dispatcher.ledger.memory import MemoryLedger
from tests.contract.ledger.homes import START, held


class Process:
    """A process with a small ledger in memory, whose claimer counts how often it is woken."""

    def __init__(self) -> None:
        self.time = START
        self.woken = 0
        self.ledger = MemoryLedger(lambda: self.time, max_sessions=3, wake=self.wake)

    def wake(self) -> None:
        self.woken += 1

    async def settle(self, key: Key, then: Then) -> None:
        """The session was handled a millisecond ago."""
        mine = await held(self.ledger, key)
        await self.ledger.save(mine.lease, b"record", mine.upto, then, due_at=self.time + 60_000)
        self.time += 1


@pytest.fixture
def process() -> Process:
    """The process, just started."""
    return Process()


@pytest.fixture
def traced() -> Iterator[None]:
    """Memory is accounted for."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


def traced_bytes() -> int:
    """What is reachable takes so many bytes."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def key(n: int) -> Key:
    """The n-th session."""
    return Key("p1", f"room-{n}", f"RM_{n}")


async def test_a_full_ledger_forgets_the_session_longest_at_rest(process: Process) -> None:
    """What owes nothing goes first, the least recently used of it; the sweep restores it."""
    await process.settle(key(1), Then.DUE)
    await process.settle(key(2), Then.REST)
    await process.settle(key(3), Then.REST)
    await process.ledger.touch([key(2)])

    await process.ledger.deliver(key(4), "", b"joined")

    assert await process.ledger.touch([key(n) for n in range(1, 5)]) == {key(3)}


async def test_a_full_ledger_forgets_tombstones_before_the_living(process: Process) -> None:
    """An ended session only explains; the oldest of them goes first."""
    await process.settle(key(1), Then.REST)
    await process.settle(key(2), Then.OVER)
    await process.settle(key(3), Then.OVER)

    await process.ledger.deliver(key(4), "", b"joined")

    assert await process.ledger.touch([key(n) for n in range(1, 5)]) == {key(2)}


async def test_a_ledger_full_of_work_is_unavailable(process: Process) -> None:
    """With every session due or held a new one is refused, known ones go on, and nothing of it is remembered."""
    await held(process.ledger, key(1))
    await process.settle(key(2), Then.DUE)
    await process.settle(key(3), Then.DUE)

    with pytest.raises(LedgerUnavailable, match="3 sessions"):
        await process.ledger.deliver(key(4), "e4", b"joined")

    assert (await process.ledger.deliver(key(2), "e2", b"left")).outcome is Delivered.ACCEPTED
    mine = await held(process.ledger, key(3))
    await process.ledger.save(mine.lease, b"record", mine.upto, Then.REST)
    assert (await process.ledger.deliver(key(4), "e4", b"joined")).outcome is Delivered.ACCEPTED


async def test_two_processes_never_make_the_same_token() -> None:
    """A lease from before a restart fits nothing after it."""
    tokens = {(await held(Process().ledger, key(1))).lease.token for _ in range(10)}

    assert len(tokens) == 10


async def test_the_claimer_is_woken_for_what_is_due_sooner_than_it_knows(process: Process) -> None:
    """Once told when to come back, it is told again when that has changed for the earlier."""
    await process.settle(key(1), Then.DUE)
    _, wait = await process.ledger.claim(10)
    assert wait == 60_000 - 1

    await process.ledger.deliver(key(1), "", b"left", take=False)

    assert process.woken == 1


async def test_the_claimer_is_woken_once(process: Process) -> None:
    """Until it claims again there is nothing to tell it."""
    await process.ledger.claim(10)

    for n in range(3):
        await process.ledger.deliver(key(n), "", b"joined", take=False)

    assert process.woken == 1
    await process.ledger.claim(2)
    assert process.woken == 1


async def test_the_claimer_is_not_woken_for_what_can_wait(process: Process) -> None:
    """It comes back in time by itself."""
    await held(process.ledger, key(1))
    _, wait = await process.ledger.claim(10)
    assert wait == LEASE_MS

    await process.settle(key(2), Then.DUE)
    await held(process.ledger, key(3))

    assert process.woken == 0


async def test_a_lease_wakes_a_claimer_that_knows_of_nothing(process: Process) -> None:
    """A holder may die: somebody must come when its lease has run out."""
    await process.ledger.claim(10)

    await held(process.ledger, key(1))

    assert process.woken == 1


async def fill(ledger: MemoryLedger) -> None:
    """A thousand sessions in all places, with everything that a ledger remembers."""
    for n in range(1_000):
        mine = await held(ledger, key(n))
        await ledger.deliver(key(n), f"e{n}", b"joined" * 20)
        await ledger.turn(f"sweep {n}", 1_000)
        await ledger.pace(f"p1/agent-{n}", interval=20.0, burst=3)
        then = list(Then)[n % len(Then)]
        await ledger.save(
            mine.lease, bytes(500), mine.upto + 1, then, telling=Telling(index=[Standing("requested", f"agent-{n}")])
        )


@pytest.mark.slow("a full ledger, a day long, traced")
@pytest.mark.usefixtures("traced")
async def test_what_has_expired_leaves_no_memory_behind(process: Process) -> None:
    """After a quiet day a ledger that was full takes no more than a day before: empty tables keep their size."""
    ledger = MemoryLedger(lambda: process.time)
    full, empty = [], []
    for _ in range(2):
        await fill(ledger)
        full.append(traced_bytes())
        process.time += LIVE_TTL_MS
        await ledger.turn("sweep", 1_000)
        await ledger.pace("p1/greeter", interval=20.0, burst=3)
        assert await ledger.claim(1) == ([], None)
        empty.append(traced_bytes())

    assert full[0] - empty[0] > 1_000_000
    assert empty[1] - empty[0] < 20_000


async def test_the_collector_of_garbage_looks_at_no_session() -> None:
    """It stops the process meanwhile: what 1,000 sessions in all places hold is nothing to it."""
    ledger = MemoryLedger(lambda: START)
    gc.collect()
    before = len(gc.get_objects())

    await fill(ledger)

    gc.collect()
    assert len(gc.get_objects()) - before < 300
    assert await ledger.counts() == Counts(due=250, held=250, rest=250)


@pytest.mark.usefixtures("traced")
async def test_a_busy_session_leaves_no_trail() -> None:
    """However often one session is handed out and saved before anybody claims, it takes the same memory."""
    ledger = MemoryLedger(lambda: START)
    sizes = []
    for _ in range(2):
        for _ in range(2_000):
            mine = await held(ledger, key(1))
            await ledger.save(mine.lease, b"record", mine.upto, Then.DUE, due_at=START + 60_000)
        sizes.append(traced_bytes())

    assert sizes[1] - sizes[0] < 20_000


@pytest.mark.slow("an hour of events, traced")
@pytest.mark.usefixtures("traced")
async def test_event_ids_take_bounded_memory_at_a_steady_rate() -> None:
    """What an hour of events leaves behind is what twenty minutes leave behind."""
    time = START - START % DEDUPE_MS
    ledger = MemoryLedger(lambda: time)
    mine = await held(ledger, key(1))
    sizes = []
    for hour in range(3):
        for n in range(6_000):
            time += DEDUPE_MS // 1_000
            await ledger.deliver(key(1), f"event {hour} {n:05}", b"joined", take=False)
        sizes.append(traced_bytes())

    assert sizes[2] - sizes[1] < 50_000
    assert await ledger.counts() == Counts(due=0, held=1, rest=0)
    assert mine.lease.key == key(1)
