"""The clocks of tests: tests.own_time."""

import asyncio
import time
from threading import Event


def stopped() -> None:
    """As when the machine stops the process for half a second."""
    Event().wait(0.5)


async def test_what_goes_by_while_the_loop_neither_runs_nor_waits_is_left_out() -> None:
    """On every clock, the loop's too."""
    began, wall, loop = time.monotonic(), time.time(), asyncio.get_running_loop().time()
    stopped()
    await asyncio.sleep(0)
    assert time.monotonic() - began < 0.25
    assert time.time() - wall < 0.25
    assert asyncio.get_running_loop().time() - loop < 0.25


async def test_what_is_waited_for_counts_and_what_is_reckoned_too() -> None:
    """A span of either is at least as long as it should be, on every clock."""
    began, stamp = time.monotonic(), time.monotonic_ns()
    await asyncio.sleep(0.1)
    assert 0.1 <= time.monotonic() - began < 0.5
    assert time.monotonic_ns() - stamp >= 100_000_000

    began, used = time.monotonic(), time.thread_time()
    while time.thread_time() - used < 0.1:
        pass
    await asyncio.sleep(0)
    assert 0.1 <= time.monotonic() - began < 0.5


async def test_no_clock_goes_back() -> None:
    """What is read after a stop and before the loop waits has it left out already."""
    for clock in (time.time, time.monotonic):
        before = clock()
        stopped()
        at_once = clock()
        await asyncio.sleep(0)
        assert before <= at_once <= clock() < before + 0.25


async def test_a_wait_that_holds_up_the_loop_counts() -> None:
    """Else nobody who polls would come to a limit."""
    began = time.monotonic()
    time.sleep(0.1)  # noqa: ASYNC251 the test's own
    assert 0.1 <= time.monotonic() - began < 0.5
