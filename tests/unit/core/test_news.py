"""What entries tell of targets."""

import pytest

from dispatcher.core.news import news
from dispatcher.core.session import Attempt
from dispatcher.core.targets import News, Probed, Seen, Silence, Silent
from dispatcher.core.timeline import Entry, Part, Said, Verdict
from tests.unit.core.world import NOW, assignment, attempt, seconds, session

LATER = NOW + seconds(9)
CAME = attempt(agent_seen_at=NOW + 300)


def entry(said: Said, **fields: object) -> Entry:
    """An entry about the greeter's first attempt."""
    given = {"at": LATER, "said": said, "assignment": "greeter", "number": 1, "agent": "greeter"}
    return Entry(**{**given, **fields})  # type: ignore[arg-type]


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
def test_an_entry_tells_of_its_target(one: Attempt, told: Entry, found: News | None) -> None:
    """The table: an entry, the attempt that it is about, and what everybody should know."""
    here = session(assignment(one))

    assert list(news(here, [told])) == ([] if found is None else [("greeter", found)])


def test_of_an_attempt_that_had_to_make_room_only_the_entry_is_left() -> None:
    """It is a sign of life all the same."""
    assert list(news(session(), [entry(Said.AGENT_JOINED)])) == [("greeter", Seen(LATER))]
