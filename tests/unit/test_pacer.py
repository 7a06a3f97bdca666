"""The pace of creates: given out in slots, slower when attempts stay silent, and back to what was asked."""

from collections.abc import Callable

import pytest

from dispatcher.config import Pace
from dispatcher.core.session import Entry, Said
from dispatcher.current import Site
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.pacer import Pacer
from tests.unit.desk import Staged

SILENT = Entry(at=0, said=Said.CLOSED, agent="greeter", why="silent")
SERVED = Entry(at=0, said=Said.SERVED, agent="greeter")
TEN = Site(livekit=Staged(), rules=(), pace=Pace(per_second=10, burst=1))
FREE = Site(livekit=Staged(), rules=())


class Clock:
    """Stands still until it is moved."""

    now = 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The ledger's clock."""
    return Clock()


@pytest.fixture
def pacer(clock: Callable[[], int]) -> Pacer:
    """Ten a second, one at a time."""
    return Pacer(MemoryLedger(clock))


async def _interval(pacer: Pacer, clock: Clock) -> float:
    """How far apart two slots are now."""
    clock.now += 60_000
    first = await pacer.to_create("p", "greeter", TEN)
    return await pacer.to_create("p", "greeter", TEN) - first


async def test_slots_come_at_the_pace(pacer: Pacer, clock: Clock) -> None:
    """Ten a second: a tenth of a second apart."""
    assert await _interval(pacer, clock) == 100


async def test_without_a_pace_everyone_goes_at_once(clock: Clock) -> None:
    """`pace: off`: no slots, and nothing is learned."""
    pacer = Pacer(MemoryLedger(clock))
    await pacer.heard("p", FREE, [SILENT])
    assert [await pacer.to_create("p", "greeter", FREE) for _ in range(3)] == [0, 0, 0]


async def test_a_silent_attempt_halves_the_pace(pacer: Pacer, clock: Clock) -> None:
    """Slots are twice as far apart, for that agent name of that project only."""
    await pacer.heard("p", TEN, [SILENT])
    assert await _interval(pacer, clock) == 200
    assert await pacer.to_create("p", "sales", TEN) == 0
    assert await pacer.to_create("p", "sales", TEN) == 100


async def test_many_silent_at_once_are_one_bad_moment(pacer: Pacer, clock: Clock) -> None:
    """Thirty in the same second halve it once; a second later it halves again, down to an eighth."""
    await pacer.heard("p", TEN, [SILENT] * 30)
    assert await _interval(pacer, clock) == 200
    for expected in (400, 800, 800):
        clock.now += 1_000
        await pacer.heard("p", TEN, [SILENT])
        assert await _interval(pacer, clock) == expected


async def test_agents_that_come_bring_the_pace_back(pacer: Pacer, clock: Clock) -> None:
    """Each a fifth nearer, never faster than asked; then nothing more is asked of the ledger."""
    await pacer.heard("p", TEN, [SILENT])
    await pacer.heard("p", TEN, [SERVED])
    assert await _interval(pacer, clock) == 160
    await pacer.heard("p", TEN, [SERVED] * 10)
    assert await _interval(pacer, clock) == 100


async def test_what_slowed_it_is_forgotten(pacer: Pacer, clock: Clock) -> None:
    """Ten minutes after the last silence the pace is what was asked."""
    await pacer.heard("p", TEN, [SILENT])
    clock.now += 600_000
    assert await _interval(pacer, clock) == 100
