"""A notice comes: the command and `explain` name the cause, as docs/incidents.md says. tests/browser has the page."""

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import pytest

from dispatcher.cli.main import main
from dispatcher.config import Receiver
from tests.integration.hooks import Hooks, hooks
from tests.integration.house import TOKEN, House
from tests.integration.incidents import INCIDENTS, SITUATIONS, room_of
from tests.integration.test_notices import receiver

DOCS: Final = Path(__file__).parents[2] / "docs"
ALERTS: Final = (DOCS / "alerts.md").read_text()
TO_DO: Final = (DOCS / "notices.md").read_text().partition("\n## What to do about each\n")[2]


async def typed(here: House, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """All that a command prints."""
    await asyncio.to_thread(main, [*words, "--url", here.service.url])
    return "".join(capsys.readouterr())


async def noticed(ops: Hooks, kind: str) -> dict[str, Any]:
    """The notice of this kind, as soon as it has come."""
    async with asyncio.timeout(40):
        while True:
            for message in ops.taken:
                if message["type"] == kind:
                    return dict(message)
            ops.changed.clear()
            await ops.changed.wait()


def test_every_row_is_played() -> None:
    """Ten incidents at least, and nothing is played that has no row."""
    assert set(INCIDENTS) == set(SITUATIONS)
    assert len(INCIDENTS) >= 10


@pytest.mark.parametrize("name", INCIDENTS)
def test_the_runbook_leads_to_the_command(name: str) -> None:
    """In the alert's section and in the notice's row."""
    one = INCIDENTS[name]
    command = f"`dispatcher {' '.join(one.command)}`"
    section = ALERTS.partition(f"\n### {one.alert}\n")[2].partition("\n### ")[0]
    row = next((line for line in TO_DO.splitlines() if line.startswith(f"| `{one.notice}` |")), "")

    assert one.alert or one.notice
    assert (command in section) == bool(one.alert)
    assert (command in row) == bool(one.notice)


@pytest.mark.parametrize("name", INCIDENTS)
async def test_the_notice_comes_and_command_and_explain_say_why(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the same words, of the room that the notice names."""
    monkeypatch.setattr("dispatcher.core.timing.LIVEKIT_FAILING_MS", 300)
    monkeypatch.setenv("DISPATCHER_API_TOKEN", TOKEN)
    one = INCIDENTS[name]
    async with hooks() as ops, SITUATIONS[name](told(ops)) as here:
        notice = await noticed(ops, one.notice) if one.notice else None
        answered = await typed(here, capsys, *one.command)
        explained = await typed(here, capsys, "explain", room_of(notice, here.lines))

    assert [pattern for pattern in one.patterns("the command") if not re.search(pattern, answered)] == [], answered
    assert [pattern for pattern in one.patterns("`explain`") if not re.search(pattern, explained)] == [], explained
    assert [pattern for pattern in one.unsaid("the command") if re.search(pattern, answered)] == [], answered
    assert [pattern for pattern in one.unsaid("`explain`") if re.search(pattern, explained)] == [], explained


def told(ops: Hooks) -> tuple[Receiver, ...]:
    """Who is told."""
    return (receiver(ops.url),)
