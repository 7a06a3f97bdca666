"""Work that takes long, in slices: others have their turn in between, so that no room's size holds up another one."""

import asyncio
from collections.abc import Generator
from time import perf_counter
from typing import Final, TypeVar

SLICE_S: Final = (
    0.002  # of work between two turns of the others; one condition of a rule may take 10 ms (docs/adr/0022)
)

T = TypeVar("T")


class Slices:
    """Keeps, for one who works, when the others are to have their turn."""

    def __init__(self) -> None:
        self._until = perf_counter() + SLICE_S

    async def give_way(self) -> bool:
        """Whether the slice was used up; then the others have had their turn."""
        if perf_counter() < self._until:
            return False
        await asyncio.sleep(0)
        self._until = perf_counter() + SLICE_S
        return True


async def sliced(work: Generator[None, None, T], *, at_most: float) -> T | None:
    """What the work comes to; None: that has taken `at_most` seconds, and was given up."""
    slices, end = Slices(), perf_counter() + at_most
    while perf_counter() < end:
        try:
            next(work)
        except StopIteration as done:
            found: T = done.value
            return found
        await slices.give_way()
    return None
