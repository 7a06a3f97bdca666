"""Tables, and views that are shown anew."""

import asyncio
import io
from collections.abc import Sequence

import pytest

from dispatcher.cli.screen import OVER, table, watch


class Terminal(io.StringIO):
    """What a terminal is sent."""

    def isatty(self) -> bool:
        return True


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Nothing stands behind the last; an empty cell is a dash."""
    assert table(("ROOM", "STATE"), [("a", "served"), ("long name", "")]) == [
        "ROOM       STATE",
        "a          served",
        "long name  -",
    ]
    assert table(("ROOM", "STATE"), []) == ["ROOM  STATE"]


def test_a_name_commands_no_terminal_and_forges_no_line() -> None:
    """What has no shape of its own is written out."""
    assert table(("ROOM",), [("x\n\x1b[2Jy\u202e",)])[1:] == [r"x\n\x1b[2Jy\u202e"]


async def shown(out: io.StringIO, texts: Sequence[str]) -> str:
    """What is written while these texts are shown, one after the other."""
    left = list(texts)

    async def show() -> str:
        if not left:
            raise EOFError
        return left.pop(0)

    with pytest.raises(EOFError):
        await asyncio.wait_for(watch(show, out, every=0.0), 5)
    return out.getvalue()


async def test_a_pipe_gets_what_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no escapes."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert await shown(io.StringIO(), ["a\n", "a\n", "b\n", "a\n"]) == "a\nb\na\n"


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
async def test_a_terminal_is_drawn_over(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody says that it cannot be."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert await shown(Terminal(), ["a\n", "a\n"]) == f"{OVER}a\n{OVER}a\n"
    monkeypatch.setenv(variable, value)
    assert await shown(Terminal(), ["a\n", "b\n"]) == "a\nb\n"
