"""Who has paused an agent, and which split has taken it out, in words."""

import pytest

from dispatcher.core.pauses import Pause, Paused
from dispatcher.core.session import Session
from dispatcher.core.splits import Side
from dispatcher.explain import Known, diagnosis, paused_by, taken_out_by
from tests.unit.core.world import NOW, assignment, session

NOON = 1_795_262_400_000  # 2026-11-21 12:00:00 UTC
HALF_AN_HOUR = 1_800_000
DAY = 86_400_000


def by_maria(until: int = 0, reason: str = "") -> Paused:
    """Somebody's order."""
    return Paused(pause=Pause(by="maria", at=NOON, until=until, reason=reason))


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (by_maria(NOON + HALF_AN_HOUR, "deploy"), "paused by maria until 12:30:00 UTC: deploy"),
        (by_maria(NOON + DAY), "paused by maria until 2026-11-22 12:00:00 UTC"),
        (by_maria(), "paused by maria until somebody resumes it"),
        (Paused(configured=True), "paused by the configuration"),
        (
            Paused(pause=by_maria(reason="fire").pause, configured=True),
            "paused by maria until somebody resumes it: fire; and by the configuration",
        ),
        (by_maria(reason="\x1b[2J\n"), r"paused by maria until somebody resumes it: \x1b[2J\n"),
    ],
)
def test_who_until_when_and_why(one: Paused, told: str) -> None:
    """With the date where it is another day's, and nothing that a terminal would obey."""
    assert paused_by(one, NOON) == told


@pytest.mark.parametrize(
    ("now", "since"),
    [(NOON + HALF_AN_HOUR, "12:00:00 UTC"), (NOON + DAY, "2026-11-21 12:00:00 UTC")],
    ids=["today", "another-day"],
)
def test_which_split_has_taken_it_out_since_when_and_why(now: int, since: str) -> None:
    """The figures are those that the guard has seen."""
    side = Side(target="greeter@canary", weight=5, stopped_at=NOON, figures="9 bad rooms of 10")

    assert taken_out_by("line", side, now) == f"taken out of the split of line since {since}: 9 bad rooms of 10"


@pytest.mark.parametrize(
    ("stands", "said"),
    [
        (session(assignment(paused=True)), True),
        (session(assignment()), True),
        (session(assignment(finished_at=NOW)), False),
    ],
    ids=["paused", "waiting", "finished"],
)
def test_a_diagnosis_tells_of_pauses_that_concern_it(stands: Session, *, said: bool) -> None:
    """Of the assignment's own agents, while somebody has or wants one."""
    known = Known(now=NOON, paused={"greeter": by_maria(reason="deploy"), "other": by_maria()})
    [line] = diagnosis(stands, known)

    assert ("`greeter` is paused by maria until somebody resumes it: deploy." in line) is said
    assert "other" not in line
