import pytest

from dispatcher.ledger.interface import ADJUST_TTL_MS, Ledger
from tests.contract.ledger.homes import START, Home


async def test_one_caller_has_the_turn(home: Home) -> None:
    """The first to ask has it until `every` has passed, to the millisecond."""
    assert await home.ledger.turn("sweep", 1_000)
    assert not await home.ledger.turn("sweep", 1_000)

    home.advance(999)
    assert not await home.ledger.turn("sweep", 1_000)

    home.advance(1)
    assert await home.ledger.turn("sweep", 1_000)


async def test_turns_are_by_name(ledger: Ledger) -> None:
    """The turn of one project's sweep is not that of another's, and no turn is a pace."""
    await ledger.turn("sweep p1", 1_000)

    assert await ledger.turn("sweep p2", 1_000)
    assert (await ledger.pace("sweep p1", interval=20.0, burst=1)).wait == 0


async def test_asking_in_vain_does_not_prolong_the_wait(home: Home) -> None:
    """A turn runs from when it was had, not from when it was last asked for."""
    await home.ledger.turn("sweep", 1_000)
    home.advance(600)
    await home.ledger.turn("sweep", 1_000)

    home.advance(400)

    assert await home.ledger.turn("sweep", 1_000)


async def test_a_burst_goes_at_once_and_the_next_wait_in_turn(ledger: Ledger) -> None:
    """`burst` callers go now; each one after has a slot of its own, an interval later than the one before."""
    waits = [(await ledger.pace("p1/greeter", interval=64.0, burst=3)).wait for _ in range(6)]

    assert waits == [0, 0, 0, 64, 128, 192]


async def test_a_slot_is_not_given_back(home: Home) -> None:
    """Who was told to wait has that slot: asking again takes another, and one that passed unused is lost."""
    for _ in range(2):
        await home.ledger.pace("p1/greeter", interval=64.0, burst=1)

    home.advance(64)

    assert (await home.ledger.pace("p1/greeter", interval=64.0, burst=1)).wait == 64


async def test_a_slot_comes_back_every_interval(home: Home) -> None:
    """After the burst the pace is one per interval."""
    for _ in range(2):
        await home.ledger.pace("p1/greeter", interval=64.0, burst=2)

    home.advance(64)

    assert (await home.ledger.pace("p1/greeter", interval=64.0, burst=2)).wait == 0
    assert (await home.ledger.pace("p1/greeter", interval=64.0, burst=2)).wait == 64


async def test_who_asks_early_waits_for_the_rest_of_the_interval(home: Home) -> None:
    """The wait is exact, to the ledger's millisecond."""
    await home.ledger.pace("p1/greeter", interval=64.0, burst=1)

    home.advance(63)

    assert (await home.ledger.pace("p1/greeter", interval=64.0, burst=1)).wait == 1


async def test_an_idle_name_saves_up_no_more_than_its_burst(home: Home) -> None:
    """An hour of silence is worth one burst."""
    await home.ledger.pace("p1/greeter", interval=64.0, burst=2)
    home.advance(3_600_000)

    waits = [(await home.ledger.pace("p1/greeter", interval=64.0, burst=2)).wait for _ in range(3)]

    assert waits == [0, 0, 64]


async def test_a_burst_that_was_used_comes_back_slot_by_slot(home: Home) -> None:
    """Two intervals after a burst of three, two slots are there."""
    for _ in range(3):
        await home.ledger.pace("p1/greeter", interval=64.0, burst=3)
    home.advance(2 * 64)

    waits = [(await home.ledger.pace("p1/greeter", interval=64.0, burst=3)).wait for _ in range(3)]

    assert waits == [0, 0, 64]


async def test_paces_are_by_name(ledger: Ledger) -> None:
    """One agent's creates do not slow another's."""
    await ledger.pace("p1/greeter", interval=64.0, burst=1)

    assert (await ledger.pace("p1/sales", interval=64.0, burst=1)).wait == 0


@pytest.mark.parametrize("interval", [0.125, 20.0, 62.5])
async def test_the_pace_does_not_drift(ledger: Ledger, interval: float) -> None:
    """The thousandth slot comes after exactly 999 intervals, fractions of a millisecond included."""
    waits = [(await ledger.pace("p1/greeter", interval=interval, burst=1)).wait for _ in range(1_000)]

    assert waits[-1] == 999 * interval


async def test_a_new_interval_counts_from_the_next_slot(home: Home) -> None:
    """A caller who slows down owes nothing for what was taken at the old pace."""
    await home.ledger.pace("p1/greeter", interval=64.0, burst=1)
    home.advance(64)

    assert (await home.ledger.pace("p1/greeter", interval=128.0, burst=1)).wait == 0
    assert (await home.ledger.pace("p1/greeter", interval=128.0, burst=1)).wait == 128


async def waits(ledger: Ledger, times: int) -> list[float]:
    """What so many callers of one agent's pace are told, 64 ms apart and one at once."""
    return [(await ledger.pace("p1/greeter", interval=64.0, burst=1)).wait for _ in range(times)]


async def test_a_pace_is_slowed_down_and_recovers(home: Home) -> None:
    """Slots come further apart by the factor in force, nearer again as it is taken back, never nearer than asked."""
    assert await home.ledger.adjust("p1/greeter", 2.0, most=8.0) == 2
    assert await waits(home.ledger, 3) == [0, 128, 256]

    home.advance(3 * 128)
    assert await home.ledger.adjust("p1/greeter", 0.75, most=8.0) == 1.5
    assert await waits(home.ledger, 3) == [0, 96, 192]

    home.advance(3 * 96)
    assert await home.ledger.adjust("p1/greeter", 0.5, most=8.0) == 1
    assert await waits(home.ledger, 2) == [0, 64]


async def test_a_pace_has_a_slowest(ledger: Ledger) -> None:
    """`most`, however often it is slowed down."""
    factors = [await ledger.adjust("p1/greeter", 3.0, most=8.0) for _ in range(3)]

    assert factors == [3, 8, 8]
    assert await waits(ledger, 2) == [0, 8 * 64]


async def test_a_factor_is_exact(ledger: Ledger) -> None:
    """What has no end in decimals comes back as it was."""
    assert await ledger.adjust("p1/greeter", 1.1, most=8.0) == 1.1
    assert await ledger.adjust("p1/greeter", 1.1, most=8.0) == 1.1 * 1.1


async def test_what_made_a_pace_slower_is_forgotten(home: Home) -> None:
    """ADJUST_TTL_MS after it was last adjusted, to the millisecond; another name's is its own."""
    await home.ledger.adjust("p1/greeter", 2.0, most=8.0)
    await home.ledger.adjust("p1/sales", 2.0, most=8.0)
    home.advance(1)
    await home.ledger.adjust("p1/greeter", 2.0, most=8.0)

    home.advance(ADJUST_TTL_MS - 1)
    assert await waits(home.ledger, 2) == [0, 4 * 64]
    assert await home.ledger.adjust("p1/sales", 1.5, most=8.0) == 1.5

    home.advance(1 + 8 * 64)
    assert await waits(home.ledger, 2) == [0, 64]


async def test_the_clock_is_the_ledgers(home: Home) -> None:
    """Every replica reads the same time: the ledger's."""
    home.advance(1)

    assert await home.ledger.now() == START + 1
