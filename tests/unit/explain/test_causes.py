"""Why an agent is missing, and what to look at."""

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import PROBE_ROOMS, Ms
from dispatcher.core.probes import ProbeFacts, ProbeMade, ProbeResult
from dispatcher.core.rules import Target
from dispatcher.core.session import Session, with_entry
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Because, Entry, Patience, Said, Verdict
from dispatcher.core.workers import Missing, Registered, WorkersSeen, asked
from dispatcher.explain import Known, diagnosis
from dispatcher.livekit.failures import Reason
from tests.unit.core.world import LOBBY, NOW, agent, assignment, attempt, policy, session

KNOWN = Known(now=NOW)
WAITING = assignment(attended=True)
SILENT = session(replace(WAITING, attempts=(attempt(1, verdict=Verdict.SILENT),)))
NAMELESS = agent(name="")


def causes(stands: Session, known: Known = KNOWN) -> str:
    """What is told behind the verdict."""
    [line] = diagnosis(stands, known)
    return line.partition(". ")[2]


def ended(verdict: Verdict, reason: str = "", times: int = 1, at: Ms = NOW) -> Session:
    """A session whose attempts ended so."""
    attempts = tuple(attempt(number, verdict=verdict) for number in range(1, times + 1))
    entry = Entry(
        at=at, said=Said.ATTEMPT_ENDED, assignment="greeter", number=times, agent="x", verdict=verdict, reason=reason
    )
    return with_entry(session(replace(WAITING, attempts=attempts)), entry)


def test_an_agent_that_left_without_a_word_is_told_with_what_to_set() -> None:
    """While it is replaced."""
    assert "`dispatcher.done`" in causes(ended(Verdict.LEFT))


def test_the_last_failure_counts_and_how_often() -> None:
    """Two no-shows after a silence: the no-shows are the cause."""
    verdicts = (Verdict.SILENT, Verdict.NO_SHOW, Verdict.NO_SHOW)
    attempts = tuple(attempt(number, verdict=verdict) for number, verdict in enumerate(verdicts, 1))

    assert "no agent joined within 30 s, 2 times:" in causes(session(replace(WAITING, attempts=attempts)))


def test_silence_is_told_with_the_span_that_was_waited() -> None:
    """Which may be shorter than the rule's."""
    known = attempt(1, verdict=Verdict.SILENT, patience=Patience(after=6_000, because=Because.FAST))

    assert "within 6 s:" in causes(session(replace(WAITING, attempts=(known,))))


def test_a_lost_agent_is_told_with_the_time_to_look_at() -> None:
    """LiveKit notices after 20 s that a process was killed."""
    assert causes(ended(Verdict.CRASHED, "connection_timeout")) == (
        "The process of `greeter`'s agent was lost; LiveKit noticed 20 s later, at 22:13:20 UTC: see its worker's log."
    )
    assert causes(ended(Verdict.CRASHED, "state_mismatch")) == (
        "The process of `greeter`'s agent was lost: see its worker's log."
    )


@pytest.mark.parametrize("reason", [one for one in Reason if one not in {Reason.INVALID, Reason.NOT_FOUND}])
def test_why_livekit_did_not_take_the_request_is_told_in_words(reason: Reason) -> None:
    """For each reason of a call that may have another end next time."""
    told = causes(ended(Verdict.UNSENT, reason))

    assert told.startswith("LiveKit was not reached, or said no: ")
    assert "is it up, the key right" not in told
    assert told.endswith((".", "?"))
    assert "is it up, the key right, the quota not used up?" in causes(ended(Verdict.UNSENT, "not_found"))


@pytest.mark.parametrize(
    ("agents", "told"),
    [
        (
            {"greeter": 0, "sales": 5, "attic": 9},
            " No agent named `greeter` has been seen yet; seen: `attic`, `sales`.",
        ),
        ({"greeter": 0, "": 5}, " No agent named `greeter` has been seen yet."),
        ({"greeter": 1, "sales": 5}, ""),
        ({}, ""),
    ],
)
def test_a_name_that_was_never_seen_is_told_beside_those_that_were(agents: dict[str, Ms], told: str) -> None:
    """A misspelt name, or a worker that has never run."""
    assert causes(SILENT, replace(KNOWN, agents=agents)).partition("room for it?")[2] == told


@pytest.mark.parametrize("stands", [SILENT, session(WAITING)], ids=["silent", "not-yet-asked"])
def test_an_agent_without_a_name_may_be_the_one_that_is_waited_for(stands: Session) -> None:
    """As a look shows it at once; else once the service has told of it."""
    hint = "An agent without a name is in the room: is that your `greeter`, started without its name? Its worker reg"
    shown = replace(KNOWN, look=RoomSnapshot(room=LOBBY, participants=(NAMELESS,)))
    told = Entry(at=NOW, said=Said.AGENT_UNREQUESTED, agent="")

    assert hint in causes(stands, shown)
    assert hint in causes(with_entry(replace(stands, unattributed=("PA_x",)), told))
    assert hint not in causes(with_entry(stands, told))
    assert hint not in causes(stands, replace(shown, look=RoomSnapshot(room=LOBBY, participants=(agent(name="x"),))))


def test_an_agent_without_a_name_is_no_cause_where_a_worker_had_the_job() -> None:
    """It said no, and so it is there."""
    shown = replace(KNOWN, look=RoomSnapshot(room=LOBBY, participants=(NAMELESS,)))

    assert "without a name" not in causes(ended(Verdict.REJECTED), shown)


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
        (roll(SALES, before=roll(FREE, at=10 * MINUTE - 7_000)), f"{NOBODY}; seen: `sales` x1; {LAST_SEEN} 7.0 s ago."),
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
    assert causes(session(WAITING), replace(KNOWN, workers=seen)) == told


def test_what_workers_say_is_of_the_agent_that_failed_last() -> None:
    """Whom nobody asked for is no cause."""
    assert "registered as `greeter`; seen: `sales` x1." in causes(SILENT, replace(KNOWN, workers=roll(SALES)))


@pytest.mark.parametrize(
    "stands",
    [session(), session(assignment(attempt(agent_sid="PA_bot"))), session(assignment(attended=False))],
    ids=["no-rule", "served", "idle"],
)
def test_who_waits_for_nobody_is_told_nothing_of_workers(stands: Session) -> None:
    """It would only worry them."""
    assert diagnosis(stands, replace(KNOWN, workers=roll(SALES))) == diagnosis(stands, KNOWN)


REGISTERED = Registered(agent="greeter")
AVATAR = Target("", launcher="avatar")
NONE_STARTED = "No launcher of `launch:avatar` could start a process: "
FULL = "all their places are taken; raise `limit`, or add a launcher."
LOG = "(`dispatcher launches --show L1`)."
ABSENT = "The process of `launch:avatar` ran and did not join within 30 s: its launcher has what it wrote "
LOST = (
    "The process of `launch:avatar` was lost; LiveKit noticed 20 s later, at 22:13:20 UTC: "
    "its launcher has what it wrote."
)
KEYS = "are they of this release, with this project's key and LiveKit?"


def launched(verdict: Verdict, reason: str = "", dispatch: str = "") -> Session:
    """A session whose only attempt asked a launcher, and ended so."""
    one = attempt(target=AVATAR, verdict=verdict, dispatch=dispatch)
    entry = Entry(
        at=NOW, said=Said.ATTEMPT_ENDED, assignment="greeter", number=1, agent="x", verdict=verdict, reason=reason
    )
    return with_entry(session(replace(WAITING, attempts=(one,), policy=policy(targets=(AVATAR,)))), entry)


@pytest.mark.parametrize(
    ("stands", "told"),
    [
        (launched(Verdict.REJECTED, "at_capacity"), NONE_STARTED + FULL),
        (launched(Verdict.REJECTED, "another_word"), NONE_STARTED + "another_word."),
        (launched(Verdict.NO_SHOW, dispatch="L1"), ABSENT + LOG),
        (launched(Verdict.CRASHED, "connection_timeout"), LOST),
        (
            launched(Verdict.REFUSED, "unknown_key"),
            f"The launchers of `launch:avatar` refuse the request (unknown_key): {KEYS}",
        ),
    ],
)
def test_of_a_launch_its_launcher_is_told_instead_of_workers(stands: Session, told: str) -> None:
    """With what to do; workers and agents without a name have nothing to do with it."""
    seen = asked(WorkersSeen(), {"a": REGISTERED}, 1)
    known = Known(now=NOW, look=RoomSnapshot(room=LOBBY, participants=(NAMELESS,)), workers=seen)

    assert causes(stands, known) == told


MADE = ProbeMade(at=NOW - 9_000, result=ProbeResult.SERVED, took=300)
SERVED = ProbeFacts(last=MADE, served_at=NOW - 9_000, took=300)
FAILING = ProbeFacts(last=replace(MADE, result=ProbeResult.SILENT), failures=2, failing_since=NOW - 69_000)
SINCE_A_MINUTE = session(replace(WAITING, waiting_since=NOW - 60_000, attempts=(attempt(1, verdict=Verdict.SILENT),)))


@pytest.mark.parametrize(
    ("stands", "facts", "told"),
    [
        pytest.param(
            SINCE_A_MINUTE,
            SERVED,
            "A probe got `greeter` 9.0 s ago: its workers are there, and reached.",
            id="others-get-it",
        ),
        pytest.param(
            SINCE_A_MINUTE,
            FAILING,
            "Probes of `greeter` get none either, since 22:12:11 UTC: it is not this room.",
            id="nobody-gets-it",
        ),
        pytest.param(
            session(WAITING),
            FAILING,
            "Probes of `greeter` get none either, since 22:12:11 UTC: it is not this room.",
            id="nothing-has-failed-here-yet",
        ),
        pytest.param(SINCE_A_MINUTE, replace(SERVED, served_at=NOW - 61_000), "", id="a-probe-before-the-wait"),
        pytest.param(SINCE_A_MINUTE, replace(FAILING, failures=1), "", id="one-in-vain-may-be-chance"),
        pytest.param(SINCE_A_MINUTE, None, "", id="it-is-not-probed"),
        pytest.param(replace(SINCE_A_MINUTE, room=f"{PROBE_ROOMS}default:1"), FAILING, "", id="a-probe-s-own-room"),
    ],
)
def test_whether_probes_get_it_is_told_to_who_waits(stands: Session, facts: ProbeFacts | None, told: str) -> None:
    """So it is known at once whether the agent is at fault, or something in the room."""
    known = replace(KNOWN, probes={Target("greeter"): facts} if facts else {})

    assert told in causes(stands, known)
    assert ("robe" in causes(stands, known)) is bool(told)
