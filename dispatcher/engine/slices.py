"""Work that takes long, in slices: others have their turn in between, so that no room's size holds up another one."""

import asyncio
from collections.abc import Generator
from time import perf_counter
from typing import Final, TypeVar

SLICE_S: Final = 0.001  # of work between two turns of the others; one condition may take 10 ms (docs/adr/0022)
REST_S: Final = 0.004  # left to others who have work: whoever waits for answers comes again and again
BUSY_S: Final = 0.000_1  # a turn of the others that takes longer was work

T = TypeVar("T")


class Slices:
    """Keeps, for one who works, when the others are to have their turn."""

    def __init__(self, *, rest: float = REST_S) -> None:
        self._rest = rest
        self._until = perf_counter() + SLICE_S

    async def give_way(self) -> bool:
        """Whether the slice was used up: the others have had their turn, and `rest` seconds more if they had work."""
        if perf_counter() < self._until:
            return False
        left_at = perf_counter()
        await asyncio.sleep(0)
        if self._rest and perf_counter() - left_at > BUSY_S:
            await asyncio.sleep(self._rest)
        self._until = perf_counter() + SLICE_S
        return True


async def sliced(work: Generator[None, None, T], *, at_most: float) -> T | None:
    """What the work comes to; None: that has taken `at_most` seconds, and was given up."""
    slices, end = Slices(rest=0), perf_counter() + at_most  # whoever waits for this is one of the others
    while perf_counter() < end:
        try:
            next(work)
        except StopIteration as done:
            found: T = done.value
            return found
        await slices.give_way()
    return None
