"""Tables, and views that are shown anew."""

import asyncio
import io
from collections.abc import Sequence
from functools import partial

import pytest
from rich.text import Text

from dispatcher.cli.screen import Line, Table, plain, watch, write

ROOMS = Table(("ROOM", "STATE"), [("a", "served"), ("long name", "")])


class Terminal(io.StringIO):
    """What a terminal is sent."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def a_terminal_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """With colours, and wide."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def written(out: io.StringIO, *lines: Line) -> str:
    """What is written of these lines."""
    write(lines, out)
    return out.getvalue()


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Nothing stands behind the last; an empty cell is a dash."""
    assert plain([ROOMS]).splitlines() == [
        "ROOM       STATE",
        "a          served",
        "long name  -",
    ]
    assert plain([Table(("ROOM", "STATE"), [])]) == "ROOM  STATE\n"


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_a_name_commands_no_terminal_and_forges_no_line(out: io.StringIO) -> None:
    """What has no shape of its own is written out, and what looks like markup is none."""
    hostile = "x\n\x1b[2Jy\u202e[red]z[/red]"
    text = written(out, Table(("ROOM",), [(hostile,)]), hostile)
    assert text.count(r"x\n\x1b[2Jy\u202e[red]z[/red]") == 2
    assert "\x1b[2J" not in text


def test_a_terminal_has_the_table_in_colours() -> None:
    """The same words in the same order, and the state in its colour."""
    text = written(Terminal(), ROOMS)
    assert "\x1b[32mserved" in text
    assert Text.from_ansi(text).plain.split() == plain([ROOMS]).split()


def test_a_pipe_has_no_escapes() -> None:
    """Neither of colours nor of anything else."""
    assert written(io.StringIO(), ROOMS, "a line") == f"{plain([ROOMS])}a line\n"


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_plain_text(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, too."""
    monkeypatch.setenv(variable, value)
    assert written(Terminal(), ROOMS) == plain([ROOMS])


def test_a_long_line_is_not_broken_and_a_long_cell_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """However narrow the terminal is: a name may be copied, and JSON piped."""
    monkeypatch.setenv("COLUMNS", "20")
    assert written(Terminal(), "x" * 200) == "x" * 200 + "\n"
    assert Text.from_ansi(written(Terminal(), Table(("ROOM", "STATE"), [("y" * 50, "idle")]))).plain.count("y") == 50


async def shown(out: io.StringIO, texts: Sequence[str]) -> str:
    """What is written while these texts are shown, one after the other."""
    left = list(texts)

    async def show() -> Sequence[Line]:
        if not left:
            raise EOFError
        return [left.pop(0)]

    with pytest.raises(EOFError):
        await asyncio.wait_for(watch(show, out, partial(asyncio.sleep, 0)), 5)
    return out.getvalue()


async def test_a_pipe_gets_what_has_changed() -> None:
    """And no escapes."""
    assert await shown(io.StringIO(), ["a", "a", "b", "a"]) == "a\nb\na\n"


async def test_a_terminal_is_drawn_over() -> None:
    """Each time, over the last; the cursor is there again at the end."""
    text = await shown(Terminal(), ["first", "second"])
    assert text.index("first") < text.index("\x1b[2K") < text.index("second")
    assert text.endswith("\x1b[?25h")


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
async def test_a_terminal_is_drawn_over_unless_it_cannot_be(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As somebody says."""
    monkeypatch.setenv(variable, value)
    assert await shown(Terminal(), ["a", "b"]) == "a\nb\n"
