"""Work that takes long gives way to others, and is given up where it takes too long."""

import asyncio
from collections import deque
from collections.abc import Generator
from time import perf_counter

from dispatcher.engine.slices import BUSY_S, SLICE_S, Slices, sliced


def busy(seconds: float) -> Generator[None, None, str]:
    """Work of so long, that could stop at any time."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        yield
    return "done"


async def turns(work: Generator[None, None, str], at_most: float) -> tuple[str | None, int]:
    """What the work comes to, and how often others had their turn meanwhile."""
    count = 0

    async def other() -> None:
        nonlocal count
        while True:
            count += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    found = await sliced(work, at_most=at_most)
    beside.cancel()
    return found, count


async def test_others_have_their_turn_while_long_work_goes_on() -> None:
    """Once for each slice, and no more often."""
    found, count = await turns(busy(10 * SLICE_S), at_most=10)

    assert found == "done"
    assert 1 <= count <= 10


async def test_short_work_gives_way_to_nobody() -> None:
    """What fits into a slice is done at once."""
    assert await turns(busy(0), at_most=10) == ("done", 0)


async def test_work_that_takes_too_long_is_given_up() -> None:
    """It would never have ended."""
    assert (await turns(busy(60), at_most=2 * SLICE_S))[0] is None


async def test_a_slice_that_is_used_up_is_said_to_be() -> None:
    """After it a new one begins."""
    slices = Slices()
    at_once = await slices.give_way()
    await asyncio.sleep(2 * SLICE_S)

    assert (at_once, await slices.give_way(), await slices.give_way()) == (False, True, False)


async def test_others_who_have_work_are_left_most_of_the_time() -> None:
    """One turn between two slices would not do: an agent is asked for in twenty steps, and would wait for each."""
    turns, slices = 0, Slices()

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            deque(busy(2 * BUSY_S), maxlen=0)
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    for _ in range(10):
        deque(busy(SLICE_S), maxlen=0)
        assert await slices.give_way()
    beside.cancel()

    assert turns >= 50, "two turns a slice are what giving way twice would leave"
