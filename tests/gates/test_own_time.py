"""The clocks of tests: tests.own_time."""

import asyncio
import time


async def test_what_goes_by_while_the_loop_neither_runs_nor_waits_is_left_out() -> None:
    """As when the machine stops the process for half a second."""
    began, wall, loop = time.monotonic(), time.time(), asyncio.get_running_loop().time()
    time.sleep(0.5)  # noqa: ASYNC251 the stop
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
