"""How a session stands, said to somebody who has to do something about it."""

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import Ms
from dispatcher.core.session import Assignment, Session, with_entry
from dispatcher.core.timeline import Because, Deadline, Entry, Part, Said, Verdict
from dispatcher.core.workers import Missing, Registered, WorkersSeen, asked
from dispatcher.explain import diagnosis, narrative
from tests.unit.core.world import assignment, attempt, session

WAITING = assignment(attended=True)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_failure_has_its_cause_and_what_to_look_at(verdict: Verdict) -> None:
    """A question or a place to look, for each way an attempt can fail; the others are no failures."""
    told = diagnosis(session(replace(WAITING, attempts=(attempt(1, verdict=verdict),))))
    harmless = {Verdict.FINISHED, Verdict.REMOVED, Verdict.ENDED, Verdict.SURPLUS}
    assert told.endswith("the first attempt is under way.") is (verdict in harmless)


@pytest.mark.parametrize(
    ("stands", "told"),
    [
        pytest.param(
            session(), "No rule asks for an agent here, or nobody for whom one does has joined.", id="no-rule"
        ),
        pytest.param(replace(session(), finished=True), "The room has ended.", id="over"),
        pytest.param(session(assignment(finished_at=1)), "greeter: finished; the agent left on purpose.", id="done"),
        pytest.param(session(assignment(attempt(agent_sid="PA_bot"))), "greeter: served.", id="served"),
        pytest.param(
            session(assignment(served_by_name=True)),
            "greeter: an agent of its name is here, and no job explains it; after 30 s another is asked for.",
            id="law-15-served-by-name",
        ),
        pytest.param(session(assignment(attended=False)), "greeter: nobody waits.", id="idle"),
        pytest.param(session(WAITING), "greeter: waiting; the first attempt is under way.", id="waiting"),
    ],
)
def test_how_a_session_stands(stands: Session, told: str) -> None:
    """One sentence for each assignment."""
    assert diagnosis(stands).startswith(told)


@pytest.mark.parametrize(
    ("verdict", "done", "told"),
    [
        (Verdict.FINISHED, "said so: call over", "greeter: finished; its agent said so: call over."),
        (Verdict.FINISHED, "job succeeded", "greeter: finished; its agent's job ended well."),
        (Verdict.FINISHED, "left again", "greeter: finished; its agent left twice in a row, soon after it had come,"),
        (Verdict.FINISHED, "on_finish", "greeter: finished; its agent left, and the rule takes that for done:"),
        (Verdict.REMOVED, "", "greeter: finished; somebody removed its agent."),
    ],
)
def test_why_nobody_is_asked_for_any_more(verdict: Verdict, done: str, told: str) -> None:
    """The last ending of the assignment's own attempts, and what to set where it was not meant."""
    others = Entry(at=2, said=Said.ATTEMPT_ENDED, assignment="other", verdict=Verdict.SILENT)
    end = Entry(at=1, said=Said.ATTEMPT_ENDED, assignment="greeter", verdict=verdict, done=done)

    assert diagnosis(with_entry(with_entry(session(assignment(finished_at=1)), end), others)).startswith(told)


def test_an_agent_that_left_without_a_word_is_told_with_what_to_set() -> None:
    """While it is replaced."""
    told = diagnosis(session(replace(WAITING, attempts=(attempt(1, verdict=Verdict.LEFT),))))
    assert "`dispatcher.done`" in told


def test_the_last_failure_counts_and_how_often() -> None:
    """Two no-shows after a silence: the no-shows are the cause."""
    verdicts = (Verdict.SILENT, Verdict.NO_SHOW, Verdict.NO_SHOW)
    attempts = tuple(attempt(number, verdict=verdict) for number, verdict in enumerate(verdicts, 1))
    assert "no agent joined within 30 s, 2 times;" in diagnosis(session(replace(WAITING, attempts=attempts)))


@pytest.mark.parametrize("said", list(Said))
def test_every_entry_has_its_sentence(said: Said) -> None:
    """With the time of day in UTC, and how long it took."""
    entry = Entry(at=3_723_004, said=said, assignment="greeter", number=2, agent="sales", took=1_500)
    [line] = narrative(with_entry(session(), entry))
    assert line.startswith("01:02:03.004  ")
    assert line.endswith(", 1.50 s")


@pytest.mark.parametrize(
    ("patience", "why"),
    [
        pytest.param(Deadline(after=12_000, because=Because.LIMIT), "no job within `confirm_within`", id="limit"),
        pytest.param(
            Deadline(after=9_000, because=Because.FEW), "no job comes later while few agents are asked for", id="few"
        ),
        pytest.param(Deadline(after=6_000, because=Because.FAST, usual=310), "its agents come in 0.3 s", id="fast"),
        pytest.param(
            Deadline(after=1_500, because=Because.CIRCUIT), "no agent of it is seen in any room", id="circuit-open"
        ),
    ],
)
def test_a_silent_attempt_says_when_and_why_it_was_given_up(patience: Deadline, why: str) -> None:
    """In the timeline; and the diagnosis has the same span."""
    given_up = attempt(verdict=Verdict.SILENT, patience=patience)
    entry = Entry(
        at=0, said=Said.ATTEMPT_ENDED, number=1, agent="sales", verdict=Verdict.SILENT, took=6_012, patience=patience
    )
    [line] = narrative(with_entry(session(), entry))
    assert line == f"00:00:00.000  attempt 1 at sales ended: silent after 6.0 s: {why}"
    assert f"within {patience.after / 1000:g} s;" in diagnosis(session(replace(WAITING, attempts=(given_up,))))


def test_what_could_not_be_taken_back_is_said_so() -> None:
    """A failed retract is not told as done."""
    entry = Entry(at=0, said=Said.ATTEMPT_RETRACTED, number=2, part=Part.AGENT, reason="timeout")
    assert list(narrative(with_entry(session(), entry))) == [
        "00:00:00.000  could not take back what is left of attempt 2: timeout"
    ]


def test_an_assignment_is_not_confused_with_another() -> None:
    """Each is told by its key."""
    other: Assignment = replace(WAITING, rule="other")
    assert diagnosis(session(WAITING, other)).count("waiting") == 2


MINUTE = 60_000
NOBODY = "No worker that answers is registered as `greeter`"
LAST_SEEN = "`greeter` was last seen"
BUSY = Registered(agent="greeter", load=0.93)
FREE = Registered(agent="greeter", load=0.2)
SALES = Registered(agent="sales")


def roll(*answers: Registered | Missing, before: WorkersSeen | None = None, at: Ms = 10 * MINUTE) -> WorkersSeen:
    """What these addresses answered."""
    return asked(before or WorkersSeen(), {f"a{number}": one for number, one in enumerate(answers)}, at)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (roll(), ""),
        (roll(Missing.TIMEOUT, Missing.REFUSED), ""),
        (roll(FREE, Missing.TIMEOUT), ""),
        (roll(BUSY, FREE), ""),
        (roll(BUSY, Registered(agent="greeter")), ""),
        (roll(SALES, SALES), f"{NOBODY}; seen: `sales` x2."),
        (roll(Registered(agent="")), f"{NOBODY}."),
        (roll(SALES, before=roll(FREE, at=6 * MINUTE)), f"{NOBODY}; seen: `sales` x1; {LAST_SEEN} 4 min ago."),
        (roll(SALES, before=roll(FREE, at=10 * MINUTE - 7_000)), f"{NOBODY}; seen: `sales` x1; {LAST_SEEN} 7 s ago."),
        (roll(SALES, Missing.TIMEOUT), f"{NOBODY}; seen: `sales` x1; 1 of 2 addresses do not answer."),
        (roll(BUSY), "Its only worker reports load 0.93 of 0.7, and takes no job unless its limit is higher."),
        (
            roll(BUSY, replace(BUSY, load=0.81)),
            "Each of its 2 workers reports load 0.81 of 0.7, and takes no job unless its limit is higher.",
        ),
        (roll(replace(FREE, ready=False)), "Its only worker says that it is not ready; see its log."),
        (
            roll(replace(FREE, type="JT_PUBLISHER")),
            "Its only worker is registered as JT_PUBLISHER; the rule asks for `worker_type: room`.",
        ),
        (roll(Registered(agent="\x1b")), rf"{NOBODY}; seen: `\x1b` x1."),
    ],
)
def test_what_workers_say_of_themselves_is_told_to_who_waits(seen: WorkersSeen, told: str) -> None:
    """Where it explains why nobody comes; without a worker that answers there is no opinion."""
    before = diagnosis(session(WAITING))

    assert diagnosis(session(WAITING), seen) == f"{before} {told}".rstrip()


def test_what_workers_say_is_of_the_agent_that_failed_last() -> None:
    """Whom nobody asked for is no cause."""
    silent = session(replace(WAITING, attempts=(attempt(1, verdict=Verdict.SILENT),)))

    assert "registered as `greeter`; seen: `sales` x1." in diagnosis(silent, roll(SALES))


@pytest.mark.parametrize(
    "stands",
    [session(), session(assignment(attempt(agent_sid="PA_bot"))), session(assignment(attended=False))],
    ids=["no-rule", "served", "idle"],
)
def test_who_waits_for_nobody_is_told_nothing_of_workers(stands: Session) -> None:
    """It would only worry them."""
    assert diagnosis(stands, roll(SALES)) == diagnosis(stands)
