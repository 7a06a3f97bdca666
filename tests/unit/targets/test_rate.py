"""The pace of creates: given out in slots, slower when attempts stay silent, and back to what was asked."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from dispatcher.config import ApiRateLimit, CreateRate
from dispatcher.core.rules import Target
from dispatcher.core.timeline import Entry, Said, Verdict
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.targets.rate import Pacer
from tests.unit.desk import Staged, runtime

SILENT = Entry(at=0, said=Said.ATTEMPT_ENDED, agent="greeter", verdict=Verdict.SILENT)
SERVED = Entry(at=0, said=Said.AGENT_JOINED, agent="greeter")
TEN = runtime(livekit=Staged(), rules=(), create_rate=CreateRate(per_second=10, burst=1))
FREE = runtime(livekit=Staged(), rules=())


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
    first = (await pacer.to_create("p", Target("greeter"), TEN)).wait
    return (await pacer.to_create("p", Target("greeter"), TEN)).wait - first


async def test_slots_come_at_the_pace(pacer: Pacer, clock: Clock) -> None:
    """Ten a second: a tenth of a second apart."""
    assert await _interval(pacer, clock) == 100


async def test_without_a_pace_everyone_goes_at_once(clock: Clock) -> None:
    """`create_rate: null`: no slots, and nothing is learned."""
    pacer = Pacer(MemoryLedger(clock))
    await pacer.learn("p", FREE, [SILENT])
    assert [(await pacer.to_create("p", Target("greeter"), FREE)).wait for _ in range(3)] == [0, 0, 0]


async def test_a_silent_attempt_halves_the_pace(pacer: Pacer, clock: Clock) -> None:
    """Slots are twice as far apart, for that agent name of that project only."""
    await pacer.learn("p", TEN, [SILENT])
    assert await _interval(pacer, clock) == 200
    assert (await pacer.to_create("p", Target("sales"), TEN)).wait == 0
    assert (await pacer.to_create("p", Target("sales"), TEN)).wait == 100


async def test_many_silent_at_once_are_one_bad_moment(pacer: Pacer, clock: Clock) -> None:
    """Thirty in the same second halve it once; a second later it halves again, down to an eighth."""
    await pacer.learn("p", TEN, [SILENT] * 30)
    assert await _interval(pacer, clock) == 200
    for expected in (400, 800, 800):
        clock.now += 1_000
        await pacer.learn("p", TEN, [SILENT])
        assert await _interval(pacer, clock) == expected


async def test_agents_that_come_bring_the_pace_back(pacer: Pacer, clock: Clock) -> None:
    """Each a fifth nearer, never faster than asked; then nothing more is asked of the ledger."""
    await pacer.learn("p", TEN, [SILENT])
    await pacer.learn("p", TEN, [SERVED])
    assert await _interval(pacer, clock) == 160
    await pacer.learn("p", TEN, [SERVED] * 10)
    assert await _interval(pacer, clock) == 100


async def test_what_slowed_it_is_forgotten(pacer: Pacer, clock: Clock) -> None:
    """Ten minutes after the last silence the pace is what was asked."""
    await pacer.learn("p", TEN, [SILENT])
    clock.now += 600_000
    assert await _interval(pacer, clock) == 100


LIMIT = ApiRateLimit(calls_per_second=40, burst=8)
LIMITED = runtime(livekit=Staged(), rules=(), api_rate_limit=LIMIT)
TOO_MUCH = Entry(at=0, said=Said.ATTEMPT_ENDED, agent="greeter", verdict=Verdict.UNSENT, reason="limited")


async def looks(pacer: Pacer, count: int) -> list[float]:
    """When the next looks of the project come."""
    return [await pacer.to_look("p", LIMIT) for _ in range(count)]


async def test_of_four_requests_three_are_a_looks_and_one_is_a_creates(pacer: Pacer, clock: Clock) -> None:
    """40 requests a second are ten looks and ten creates, 8 at once are two of each."""
    assert await looks(pacer, 4) == [0, 0, 100, 200]
    assert [(await pacer.to_create("p", Target(name), LIMITED)).wait for name in "abcd"] == [0, 0, 100, 200]
    clock.now += 1_000
    assert await looks(pacer, 1) == [0]


async def test_a_create_does_not_stand_behind_looks(pacer: Pacer) -> None:
    """Though hundreds wait; another project's do not even know."""
    await looks(pacer, 300)
    assert (await pacer.to_create("p", Target("greeter"), LIMITED)).wait == 0
    assert await pacer.to_look("q", LIMIT) == 0


async def test_a_create_takes_the_later_of_its_turns(pacer: Pacer) -> None:
    """The pace of its target holds as well as the limit."""
    both = replace(TEN, api_rate_limit=LIMIT)
    assert [(await pacer.to_create("p", Target("greeter"), both)).wait for _ in range(3)] == [0, 100, 200]
    assert (await pacer.to_create("p", Target("sales"), both)).wait == 200
    assert (await pacer.to_create("p", Target("greeter"), both)).wait == 300


async def test_who_takes_back_does_not_wait_and_is_counted(pacer: Pacer) -> None:
    """The creates behind it wait instead."""
    for _ in range(3):
        await pacer.taking_back("p", LIMIT)
    assert (await pacer.to_create("p", Target("greeter"), LIMITED)).wait == 200


async def test_never_more_than_the_limit_whatever_is_asked(pacer: Pacer, clock: Clock) -> None:
    """In no second are more requests let go than a second's worth and a burst."""
    slots = [clock.now + slot for slot in await looks(pacer, 100) for _ in range(3)]
    slots += [clock.now + (await pacer.to_create("p", Target("greeter"), LIMITED)).wait for _ in range(100)]
    for start in slots:
        assert sum(start <= slot < start + 1_000 for slot in slots) <= 40 + 8


async def test_a_refusal_halves_the_limit_and_answers_bring_it_back(pacer: Pacer, clock: Clock) -> None:
    """Q5: 429 of a look or a create slows both down, once a second; then a fifth nearer, once a second."""
    await pacer.refused("p", LIMIT)
    await pacer.learn("p", LIMITED, [TOO_MUCH] * 9)
    clock.now += 60_000
    assert (await looks(pacer, 3))[1:] == [0, 200]
    assert [(await pacer.to_create("p", Target("a"), LIMITED)).wait for _ in range(3)] == [0, 0, 200]
    for apart in (160, 128, 102.4, 100, 100):
        await pacer.answered("p")
        await pacer.answered("p")
        clock.now += 60_000
        assert (await looks(pacer, 3))[2] == pytest.approx(apart)


async def test_a_refusal_slows_the_pace_of_the_agent_down_where_there_is_no_limit(pacer: Pacer, clock: Clock) -> None:
    """It is all that can be slowed down."""
    await pacer.learn("p", TEN, [TOO_MUCH])
    await pacer.refused("p", None)
    assert await _interval(pacer, clock) == 200
    assert await pacer.to_look("p", None) == 0


async def test_a_launch_takes_no_turn_of_livekits_calls(pacer: Pacer) -> None:
    """LiveKit hears nothing of it; the pace of its target holds."""
    avatar = Target("", launcher="avatar")
    assert [(await pacer.to_create("p", avatar, LIMITED)).wait for _ in range(9)] == [0] * 9
    assert [(await pacer.to_create("p", avatar, TEN)).wait for _ in range(2)] == [0, 100]
