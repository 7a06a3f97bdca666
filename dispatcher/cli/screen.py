"""How answers look: with columns and colours on a terminal, as plain text elsewhere, and views that are shown anew.

What outsiders have written is written out where it has no shape of its own: it commands no terminal.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TextIO, TypeAlias

from msgspec import Struct
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as Drawn
from rich.text import Text

from dispatcher.core.text import visible

_STYLES: Final[Mapping[str, str]] = {  # of cells that say how something stands
    "served": "green",
    "waiting": "yellow",
    "requested": "yellow",
    "starved": "bold red",
    "paused": "magenta",
    "open": "bold red",
    "idle": "dim",
    "finished": "dim",
}


class Table(Struct, frozen=True):
    """A head, and rows as long as it."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


Line: TypeAlias = str | Table


def plain(lines: Sequence[Line]) -> str:
    """The text, without colours; each column of a table is as wide as its widest cell, two spaces from the next."""
    return "".join(f"{one}\n" for line in lines for one in ([visible(line)] if isinstance(line, str) else _plain(line)))


def write(lines: Sequence[Line], out: TextIO) -> None:
    """Write it: tables drawn on a terminal, plain elsewhere. No line of text is broken: it may be copied."""
    draws = _draws(out)
    for line in lines:
        if draws and isinstance(line, Table):
            _console(out).print(_drawn_table(line))
        else:
            out.write(plain([line]))


async def watch(
    show: Callable[[], Awaitable[Sequence[Line]]], out: TextIO, pause: Callable[[], Awaitable[None]]
) -> None:
    """Write what `show` gives, each time after a `pause`: over the last on a terminal, else below it where it differs.

    It ends when it is cancelled.
    """
    if not _draws(out):
        await _told_when_changed(show, out, pause)
    with Live(console=_console(out), auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            live.update(_drawn(await show()), refresh=True)
            await pause()


async def _told_when_changed(
    show: Callable[[], Awaitable[Sequence[Line]]], out: TextIO, pause: Callable[[], Awaitable[None]]
) -> None:
    before = ""
    while True:
        if (text := plain(await show())) != before:
            out.write(text)
            out.flush()
        before = text
        await pause()


def _plain(table: Table) -> list[str]:
    cells = [[_cell(cell) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def _drawn(lines: Sequence[Line]) -> Group:
    return Group(*(Text(visible(line)) if isinstance(line, str) else _drawn_table(line) for line in lines))


def _drawn_table(table: Table) -> Drawn:
    drawn = Drawn(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in table.head:
        drawn.add_column(Text(name), overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(_cell(cell), style=_STYLES.get(cell, "")) for cell in row))
    return drawn


def _cell(text: str) -> str:
    return visible(text) or "-"


def _console(out: TextIO) -> Console:
    return Console(file=out, force_terminal=True, highlight=False)


def _draws(out: TextIO) -> bool:
    """Whether it is a terminal that may be told where to write, and in which colour."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
