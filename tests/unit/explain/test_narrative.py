"""What happened to a session, line by line, with the time and how long ago that was."""

import pytest

from dispatcher.core.facts import Ms
from dispatcher.core.session import with_entry
from dispatcher.core.timeline import Because, Entry, Part, Patience, Said, Verdict
from dispatcher.explain import narrative
from tests.unit.core.world import session

NOW: Ms = 3_723_004


def line(entry: Entry, now: Ms = NOW) -> str:
    """What is told of it."""
    [told] = narrative(with_entry(session(), entry), now)
    return told


@pytest.mark.parametrize("said", list(Said))
def test_every_entry_has_its_sentence(said: Said) -> None:
    """With the time of day in UTC, and how long ago it was."""
    entry = Entry(at=NOW, said=said, assignment="greeter", number=2, agent="sales", took=1_500)
    told = line(entry, NOW + 130_000)
    assert told.startswith("01:02:03.004 UTC   2 min ago  ")
    assert "{" not in told


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_is_told_in_words(verdict: Verdict) -> None:
    """Behind them, for who searches the log, the words that it has."""
    told = line(Entry(at=0, said=Said.ATTEMPT_ENDED, number=1, agent="sales", verdict=verdict, reason="why", done="so"))
    sentence, _, machine = told.partition(" (")

    assert " attempt 1 at sales ended: " in sentence
    assert len(sentence.partition(" ended: ")[2].split()) > len(["no", "single", "word"])
    assert machine == f"{verdict}, why, so)"


def test_an_agent_that_was_lost_is_told_with_livekits_delay() -> None:
    """Of the one reason for which LiveKit needs 20 s."""
    lost = Entry(at=0, said=Said.ATTEMPT_ENDED, number=1, agent="sales", verdict=Verdict.CRASHED, took=25_300)

    assert line(lost).endswith("attempt 1 at sales ended after 25 s: the agent's process was lost (crashed)")
    timed_out = Entry(at=0, said=Said.ATTEMPT_ENDED, verdict=Verdict.CRASHED, reason="connection_timeout")
    assert "was lost: LiveKit noticed 20 s later (crashed, connection_timeout)" in line(timed_out)


@pytest.mark.parametrize(
    ("agents", "told"),
    [
        ("sales", "an agent is in the room that no rule asked for: sales"),
        ("", "an agent is in the room that no rule asked for: one without a name (its worker registered without "),
        (", sales", "an agent is in the room that no rule asked for: one without a name, sales (its worker registered"),
    ],
)
def test_an_agent_without_a_name_is_told_as_what_it_is(agents: str, told: str) -> None:
    """LiveKit sends it into every room by itself."""
    assert told in line(Entry(at=0, said=Said.AGENT_UNREQUESTED, agent=agents))


@pytest.mark.parametrize(
    ("patience", "why"),
    [
        pytest.param(Patience(after=12_000, because=Because.LIMIT), "that is its `confirm_within`", id="limit"),
        pytest.param(
            Patience(after=9_000, because=Because.FEW), "no job comes later while few agents are asked for", id="few"
        ),
        pytest.param(Patience(after=6_000, because=Because.FAST, usual=310), "its agents come in 0.3 s", id="fast"),
        pytest.param(Patience(after=9, because=Because.QUEUED), "its job still waits in LiveKit's queue", id="queued"),
        pytest.param(
            Patience(after=1_500, because=Because.CIRCUIT), "no agent of it is seen in any room", id="circuit-open"
        ),
    ],
)
def test_a_silent_attempt_says_when_and_why_it_was_given_up(patience: Patience, why: str) -> None:
    """In words, and not as the log has it."""
    entry = Entry(
        at=0, said=Said.ATTEMPT_ENDED, number=1, agent="sales", verdict=Verdict.SILENT, took=6_012, patience=patience
    )
    assert line(entry).endswith(f"attempt 1 at sales ended after 6.0 s: no worker took the job: {why} (silent)")


def test_what_could_not_be_taken_back_is_said_so() -> None:
    """A failed retract is not told as done."""
    entry = Entry(at=0, said=Said.ATTEMPT_RETRACTED, number=2, part=Part.AGENT, reason="timeout")
    assert line(entry).endswith("could not take back what is left of attempt 2: timeout")


def test_a_caller_s_wait_is_told_from_the_invite_on() -> None:
    """Beside the time since they were in the room."""
    joined = Entry(at=NOW, said=Said.AGENT_JOINED, number=1, agent="sales", took=1_500, since_invite=5_730)

    assert line(joined).endswith("1.50 s after the first person, 5.73 s after the call's INVITE")
