"""The demo shows what it promises, and says so when it does not."""

import pytest

from dispatcher.cli.demo import play
from dispatcher.cli.main import main

ROOMS = ("lobby", "five-copies", "silent-drop", "rejected", "no-webhook")


def table(text: str) -> dict[str, list[str]]:
    """The rows under the headline: room → its other columns."""
    lines = text[text.index("\nroom ") :].strip().splitlines()[1:]
    return {room: rest.split(maxsplit=3) for room, rest in (line.split(maxsplit=1) for line in lines)}


def test_the_demo_ends_with_one_agent_in_every_room(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever its LiveKit lost, repeated or refused; the last column says how each room came to it."""
    assert main(["demo"]) == 0
    said = capsys.readouterr().out
    shown = table(said)
    assert tuple(shown) == ROOMS
    assert "Its limits are shortened" in said.partition("── lobby")[0]
    assert "By default silent-drop takes 6 to 12 s, and no-webhook up to 30 s." in said
    assert {columns[0] for columns in shown.values()} == {"1"}
    assert {columns[2] for columns in shown.values()} == {"s"}, "a time to agent each"
    why = {room: columns[3] for room, columns in shown.items()}
    assert why["lobby"] == why["five-copies"] == "greeter on attempt 1 of 1"
    assert why["silent-drop"] == "sleepy silent, sleepy on attempt 2 of 2"
    assert why["rejected"] == "busy rejected, greeter on attempt 2 of 2"


async def test_a_demo_without_agents_fails() -> None:
    """No agent came in time: the table says so of each room, and the exit code is 1."""
    written: list[str] = []
    assert await play(written.append, within=0) == 1
    text = "".join(written)
    assert text.count("no agent came") == len(ROOMS)
