"""What entries tell of targets."""

import pytest
from msgspec.structs import replace

from dispatcher.core.hour import AttemptOutcome
from dispatcher.core.news import news
from dispatcher.core.session import Attempt, Session
from dispatcher.core.targets import Probed, Seen, Silence, Silent, Standing
from dispatcher.core.timeline import FAILURES, Entry, Part, Said, Verdict
from tests.unit.core.world import NOW, assignment, attempt, seconds, session

LATER = NOW + seconds(9)
SILENT = Verdict.SILENT
CAME = attempt(agent_seen_at=NOW + 300)


def entry(said: Said, **fields: object) -> Entry:
    """An entry about the greeter's first attempt."""
    given = {"at": LATER, "said": said, "assignment": "greeter", "number": 1, "agent": "greeter"}
    return Entry(**{**given, **fields})  # type: ignore[arg-type]


def standings(here: Session, told: Entry) -> list[tuple[str, Standing]]:
    """What the entry tells of how targets stand."""
    return [(target, one) for target, one in news(here, [told]) if not isinstance(one, AttemptOutcome)]


@pytest.mark.parametrize(
    ("one", "told", "found"),
    [
        pytest.param(CAME, entry(Said.AGENT_JOINED), Seen(LATER, 300), id="an-agent-that-we-asked-for"),
        pytest.param(
            attempt(agent_seen_at=NOW), entry(Said.AGENT_JOINED), Seen(LATER), id="one-that-was-there-when-found"
        ),
        pytest.param(
            attempt(agent_seen_at=NOW + 9, ours=False), entry(Said.AGENT_JOINED), Seen(LATER), id="of-somebody-else"
        ),
        pytest.param(
            attempt(agent_seen_at=NOW + 9_500, verdict=Verdict.SILENT),
            entry(Said.ATTEMPT_RETRACTED, part=Part.AGENT),
            Seen(LATER, 9_500),
            id="D3-one-that-came-too-late",
        ),
        pytest.param(CAME, entry(Said.ATTEMPT_RETRACTED, part=Part.DISPATCH), None, id="no-agent-came"),
        pytest.param(
            attempt(dispatch="AD_1"),
            entry(Said.ATTEMPT_ENDED, verdict=Verdict.SILENT, took=9_000),
            Silent(Silence(began_at=NOW, ended_at=LATER, room="RM_1")),
            id="D1-silent",
        ),
        pytest.param(
            attempt(dispatch="AD_1"),
            entry(Said.ATTEMPT_ENDED, verdict=Verdict.SILENT, took=9_000, again=True),
            None,
            id="once-more",
        ),
        pytest.param(
            attempt(), entry(Said.ATTEMPT_ENDED, verdict=Verdict.SILENT, took=9_000), None, id="I3-it-may-be-LiveKit"
        ),
        pytest.param(attempt(), entry(Said.ATTEMPT_ENDED, verdict=Verdict.REJECTED), Seen(LATER), id="D7-a-no"),
        pytest.param(attempt(), entry(Said.ATTEMPT_ENDED, verdict=Verdict.NO_SHOW), Seen(LATER), id="D2-a-job"),
        pytest.param(attempt(), entry(Said.ATTEMPT_ENDED, verdict=Verdict.FAILED), Seen(LATER), id="L5-it-was-there"),
        pytest.param(attempt(), entry(Said.ATTEMPT_ENDED, verdict=Verdict.CRASHED), None, id="L1-it-is-gone"),
        pytest.param(attempt(), entry(Said.ATTEMPT_ENDED, verdict=Verdict.UNSENT), None, id="I4-nobody-was-asked"),
        pytest.param(attempt(probe=True), entry(Said.DISPATCH_REQUESTED), Probed(LATER), id="a-probe"),
        pytest.param(attempt(), entry(Said.DISPATCH_REQUESTED), None, id="no-probe"),
    ],
)
def test_an_entry_tells_of_its_target(one: Attempt, told: Entry, found: Standing | None) -> None:
    """The table: an entry, the attempt that it is about, and what everybody should know."""
    here = session(assignment(one))

    assert standings(here, told) == ([] if found is None else [("greeter", found)])


def test_of_an_attempt_that_had_to_make_room_only_the_entry_is_left() -> None:
    """It is a sign of life all the same."""
    assert standings(session(), entry(Said.AGENT_JOINED)) == [("greeter", Seen(LATER))]


def outcomes(*told: Entry, sid: str = "RM_1") -> list[AttemptOutcome]:
    """What these entries tell of the last hour."""
    return [one for _, one in news(session(sid=sid), told) if isinstance(one, AttemptOutcome)]


@pytest.mark.parametrize("verdict", Verdict)
def test_an_attempt_that_ended_has_failed_if_no_agent_came_or_it_was_lost(verdict: Verdict) -> None:
    """By its first end; one that has ended once more is not counted again."""
    ended = entry(Said.ATTEMPT_ENDED, verdict=verdict, took=9_000)
    well = {Verdict.FINISHED, Verdict.LEFT, Verdict.REMOVED, Verdict.ENDED, Verdict.SURPLUS, Verdict.CANCELLED}

    assert [(one.at, one.failed, one.took) for one in outcomes(ended)] == (
        [] if verdict in well else [(LATER, True, None)]
    )
    assert outcomes(replace(ended, again=True)) == []
    assert set(Verdict) - well == FAILURES


def test_an_agent_that_came_is_counted_with_the_time_it_took() -> None:
    """Since somebody waited for it, where that is known; other entries count as nothing."""
    told = [entry(Said.AGENT_JOINED, took=1_250), entry(Said.AGENT_JOINED), entry(Said.DISPATCH_REQUESTED)]

    assert [(one.at, one.failed, one.took) for one in outcomes(*told)] == [(LATER, False, 1_250), (LATER, False, None)]


def test_outcomes_have_marks_by_which_each_is_counted_once() -> None:
    """The same one has the same mark; others of the same instant have others, and later ones greater ones."""
    here = entry(Said.AGENT_JOINED)
    others = [replace(here, number=2), replace(here, assignment="sales"), entry(Said.ATTEMPT_ENDED, verdict=SILENT)]
    [mark, *marks] = [one.mark for one in (*outcomes(here, *others), *outcomes(here, sid="RM_2"))]

    assert [one.mark for one in outcomes(here)] == [mark]
    assert len({mark, *marks}) == 5
    assert outcomes(replace(here, at=LATER + 1))[0].mark > max(mark, *marks)
