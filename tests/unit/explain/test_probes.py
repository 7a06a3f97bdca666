"""What came of an agent's probes, in words."""

import pytest

from dispatcher.core.probes import ProbeFacts, ProbeMade, ProbeResult
from dispatcher.explain import probes_told

NOON = 1_795_262_400_000  # 2026-11-21 12:00:00 UTC
SERVED = ProbeMade(at=NOON, result=ProbeResult.SERVED, room="x", took=310)
SILENT = ProbeMade(at=NOON, result=ProbeResult.SILENT, room="x", why="No: \x1b[2J")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (ProbeFacts(last=SERVED, served_at=NOON, took=310), "a probe got it 12 s ago, after 0.3 s"),
        (ProbeFacts(last=SERVED, served_at=NOON), "a probe got it 12 s ago"),
        (
            ProbeFacts(last=SILENT, failures=1, failing_since=NOON),
            r"the last probe asked in vain (silent): No: \x1b[2J",
        ),
        (
            ProbeFacts(last=SILENT, served_at=NOON - 180_000, failures=3, failing_since=NOON - 120_000),
            r"3 probes in a row, since 11:58:00 UTC, asked in vain (silent); one last got it 3 min ago: No: \x1b[2J",
        ),
    ],
)
def test_how_probes_go(facts: ProbeFacts, told: str) -> None:
    """How soon the agent came; or how many have failed, since when and why."""
    assert probes_told(facts, NOON + 12_000) == told
