"""How answers look: plain tables, and views that are shown anew. No colours; what cannot be printed is written out."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TextIO

from dispatcher.core.text import visible

EVERY_S: Final = 2.0
OVER: Final = "\x1b[H\x1b[J"  # from the top of the terminal, over all that stands there


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table: each column is as wide as its widest cell, with two spaces between."""
    cells = [[visible(cell) or "-" for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


async def watch(show: Callable[[], Awaitable[str]], out: TextIO, every: float = EVERY_S) -> None:
    """Write what `show` gives, again and again: over the last on a terminal, elsewhere below it where it has changed.

    It ends when it is cancelled.
    """
    over, before = _draws(out), ""
    while True:
        text = await show()
        if over or text != before:
            out.write(f"{OVER if over else ''}{text}")
            out.flush()
        before = text
        await asyncio.sleep(every)


def _draws(out: TextIO) -> bool:
    """Whether it is a terminal that may be told where to write."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
