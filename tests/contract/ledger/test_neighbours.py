"""Several installations at one place: none sees, ends, slows down or hides what is another's."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import pytest

from dispatcher.core.effects import Then
from dispatcher.core.timing import LEASE_MS
from dispatcher.ledger.interface import Counts, Delivered, Ledger, Standing, Telling
from tests.contract.ledger.homes import KEY, OTHER, Home, held

INSTANCES = ("blue", "green", "0", "default-")  # beside the home's own, which is `default`
SERVED = Standing("served", "greeter")


@pytest.fixture
async def ledgers(home: Home) -> AsyncIterator[list[Ledger]]:
    """One for each installation."""
    async with AsyncExitStack() as stack:
        neighbours = [await stack.enter_async_context(aclosing(home.neighbour(name))) for name in INSTANCES]
        yield [home.ledger, *neighbours]


async def test_the_same_event_is_each_ones_own(ledgers: list[Ledger]) -> None:
    """The same project, room, SID and event id: a repeat in none of them, and held by each at once."""
    for ledger in ledgers:
        delivery = await ledger.deliver(KEY, "EV_1", b"joined")
        assert delivery.outcome is Delivered.ACCEPTED
        assert delivery.handover is not None

    for ledger in ledgers:
        assert (await ledger.deliver(KEY, "EV_1", b"joined")).outcome is Delivered.DUPLICATE
        assert await ledger.counts() == Counts(due=0, held=1, rest=0)


async def test_what_one_has_is_unknown_to_the_others(ledgers: list[Ledger]) -> None:
    """Found, listed, counted and touched by its own installation alone, by whichever name it is asked for."""
    first, *others = ledgers
    mine = await held(first)
    await first.save(mine.lease, b"record", mine.upto, Then.REST, telling=Telling(index=[SERVED]))

    assert [life.key for life in await first.list("p1", "served")] == [KEY]
    assert await first.touch([KEY]) == set()
    for ledger in others:
        assert await ledger.find("p1", "lobby") == []
        assert await ledger.list("p1") == []
        assert await ledger.standings() == {}
        assert await ledger.counts() == Counts(due=0, held=0, rest=0)
        assert await ledger.touch([KEY]) == {KEY}


async def test_what_is_due_in_one_is_claimed_there_alone(home: Home, ledgers: list[Ledger]) -> None:
    """Be it due, or held by a lease that has run out."""
    first, *others = ledgers
    await held(first)
    await first.deliver(OTHER, "", b"joined", take=False)
    home.advance(LEASE_MS)

    for ledger in others:
        assert await ledger.claim(10) == ([], None)
    claimed, _ = await first.claim(10)
    assert {one.lease.key for one in claimed} == {KEY, OTHER}


async def test_a_room_that_is_over_in_one_lives_on_in_the_others(ledgers: list[Ledger]) -> None:
    """Another's end is nobody else's."""
    for ledger in ledgers:
        mine = await held(ledger)
        await ledger.save(mine.lease, b"record", mine.upto, Then.OVER if ledger is ledgers[0] else Then.REST)

    assert [[life.finished for life in await ledger.find("p1", "lobby")] for ledger in ledgers] == [
        [True],
        *([False] for _ in INSTANCES),
    ]


async def test_turns_and_paces_are_each_ones_own(ledgers: list[Ledger]) -> None:
    """Each sweeps in its own time, and none waits for another's slot or is slowed down by it."""
    for ledger in ledgers:
        assert await ledger.turn("sweep/p1", 30_000)
        assert (await ledger.pace("p1/greeter", interval=1_000.0, burst=1)).wait == 0
        assert await ledger.adjust("p1/greeter", 2.0, most=8.0) == 2.0
