import pytest
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.departures import Note
from dispatcher.core.facts import Ms
from dispatcher.core.rules import Target
from dispatcher.core.session import Assignment, Attempt
from dispatcher.core.snapshot import Dispatch
from dispatcher.core.timeline import Because, Patience, Verdict
from dispatcher.core.verdicts import confirming_since, departure, overdue
from tests.unit.core.world import LIVEKIT_AHEAD, NO, NOW, assignment, attempt, dispatch, job, policy, seconds, session

ASKED = attempt(dispatch="AD_1")
UNKNOWN = attempt()
PUBLISHER = policy(worker_type="publisher")

NO_JOB, HAS_JOB, SAID_NO = dispatch(), dispatch("AD_1", "greeter", job()), dispatch("AD_1", "greeter", NO)
ENDED_JOB = dispatch("AD_1", "greeter", job(ended=True))


@pytest.mark.parametrize(
    ("opened", "listed", "waited", "verdict"),
    [
        pytest.param(ASKED, NO_JOB, 0, None, id="just-asked"),
        pytest.param(ASKED, NO_JOB, 11.999, None, id="D4-no-job-yet"),
        pytest.param(ASKED, NO_JOB, 12, Verdict.SILENT, id="D1-no-job-in-time"),
        pytest.param(ASKED, HAS_JOB, 29.999, None, id="a-job-and-no-agent-yet"),
        pytest.param(ASKED, HAS_JOB, 30, Verdict.NO_SHOW, id="D2-a-job-and-no-agent-in-time"),
        pytest.param(ASKED, ENDED_JOB, 0, None, id="I9-a-job-that-ended-with-an-identity-is-no-no"),
        pytest.param(ASKED, SAID_NO, 0, Verdict.REJECTED, id="D7-a-worker-said-no"),
        pytest.param(ASKED, dispatch("AD_1", "greeter", NO, job()), 0, None, id="one-said-no-and-one-yes"),
        pytest.param(ASKED, None, 1.999, None, id="not-listed-yet"),
        pytest.param(ASKED, None, 2, Verdict.VANISHED, id="deleted-by-somebody"),
        pytest.param(UNKNOWN, None, 11.999, None, id="I3-outcome-unknown"),
        pytest.param(UNKNOWN, None, 12, Verdict.SILENT, id="I3-and-nothing-came-of-it"),
    ],
)
def test_an_attempt_whose_agent_never_came(
    opened: Attempt, listed: Dispatch | None, waited: float, verdict: Verdict | None
) -> None:
    """The table of verdicts: what a look shows of an open attempt, and how long after it was asked."""
    assert overdue(session(), assignment(opened), opened, listed, NOW + seconds(waited)) is verdict


def test_times_are_the_rules() -> None:
    """`confirm_within` and `join_within` of the assignment's own policy count."""
    quick = assignment(ASKED, policy=policy(confirm_within=100, join_within=200))

    assert overdue(session(), quick, ASKED, NO_JOB, NOW + 100) is Verdict.SILENT
    assert overdue(session(), quick, ASKED, HAS_JOB, NOW + 200) is Verdict.NO_SHOW


@pytest.mark.parametrize(("waited", "verdict"), [(5.999, None), (6, Verdict.SILENT)])
def test_what_is_known_of_the_target_may_make_it_silent_sooner(waited: float, verdict: Verdict | None) -> None:
    """After its patience, not after `confirm_within`; a job counts as ever."""
    asked = replace(ASKED, patience=Patience(after=6_000, because=Because.FAST, usual=300))

    assert overdue(session(), assignment(asked), asked, NO_JOB, NOW + seconds(waited)) is verdict
    assert overdue(session(), assignment(asked), asked, HAS_JOB, NOW + seconds(waited)) is None


def test_an_agent_by_name_keeps_an_attempt_from_being_given_up_as_silent() -> None:
    """Its job may be listed late; but a job without its own agent is judged all the same."""
    by_name = assignment(ASKED, served_by_name=True)

    assert overdue(session(), by_name, ASKED, NO_JOB, NOW + seconds(600)) is None
    assert overdue(session(), by_name, ASKED, HAS_JOB, NOW + seconds(600)) is Verdict.NO_SHOW


@pytest.mark.parametrize(
    ("published", "since"),
    [
        pytest.param(0, None, id="nobody-has-published"),
        pytest.param(NOW + seconds(60), NOW + seconds(60), id="published-after-it-was-asked"),
        pytest.param(NOW - seconds(60), NOW, id="published-before"),
    ],
)
def test_a_publisher_worker_is_waited_for_from_the_first_publisher(published: Ms, since: Ms | None) -> None:
    """Before somebody publishes it has no job to take."""
    assert confirming_since(session(published_at=published), PUBLISHER, ASKED) == since
    assert confirming_since(session(published_at=published), policy(), ASKED) == NOW


def test_a_publisher_worker_is_not_silent_before_somebody_publishes() -> None:
    """However long that takes; and then for `confirm_within`."""
    late = NOW + seconds(600)
    one = assignment(ASKED, policy=PUBLISHER)

    assert overdue(session(), one, ASKED, NO_JOB, late) is None
    assert overdue(session(published_at=late), one, ASKED, NO_JOB, late + seconds(11)) is None
    assert overdue(session(published_at=late), one, ASKED, NO_JOB, late + seconds(12)) is Verdict.SILENT


def test_a_publisher_workers_agent_has_its_time_to_join_after_the_first_publisher() -> None:
    """Its job, listed right after somebody published, is no no-show because the dispatch is old."""
    late = NOW + seconds(600)
    one = assignment(ASKED, policy=PUBLISHER)

    assert overdue(session(published_at=late), one, ASKED, HAS_JOB, late + seconds(1)) is None


GONE = attempt(
    dispatch="AD_1", agent_sid="PA_bot", identities=("bot",), agent_seen_at=NOW, agent_missed_at=NOW + seconds(60)
)
TO_BE_DONE = assignment(GONE, policy=policy(on_finish="done"))
AMBIENT = assignment(GONE, attended=False, policy=policy(trigger="room_started"))
LEFT_AT = NOW + LIVEKIT_AHEAD + seconds(60)


def note(
    reason: str, *, stayed: float = 60, sid: str = "PA_bot", heard: Ms = GONE.agent_missed_at, done: str = ""
) -> Note:
    """A webhook has said why the agent left."""
    came = LEFT_AT - timing.SECOND_MS + 1 - seconds(stayed)
    told = Note(sid=sid, identity="bot", reason=reason, received_at=heard, joined_at=came, left_at=LEFT_AT)
    return replace(told, done=done)


@pytest.mark.parametrize(
    ("reason", "stayed", "verdict"),
    [
        pytest.param("CLIENT_INITIATED", 60, Verdict.LEFT, id="L2-of-its-own-will"),
        pytest.param("CLIENT_INITIATED", 5, Verdict.LEFT, id="having-just-stayed-long-enough"),
        pytest.param("CLIENT_INITIATED", 4.999, Verdict.FAILED, id="an-exception-at-the-start"),
        pytest.param("PARTICIPANT_REMOVED", 60, Verdict.REMOVED, id="somebody-removed-it"),
        pytest.param("PARTICIPANT_REMOVED", 1, Verdict.FAILED, id="at-once"),
        pytest.param("CONNECTION_TIMEOUT", 60, Verdict.CRASHED, id="a-killed-process"),
        pytest.param("SIGNAL_CLOSE", 60, Verdict.CRASHED, id="L1-signal-closed"),
        pytest.param("MIGRATION", 60, Verdict.CRASHED, id="L6-migration"),
        pytest.param("SERVER_SHUTDOWN", 60, Verdict.CRASHED, id="L6-server-shutdown"),
        pytest.param("STATE_MISMATCH", 1, Verdict.FAILED, id="L5-whatever-the-reason"),
        pytest.param("37", 60, Verdict.CRASHED, id="a-reason-of-a-newer-server"),
    ],
)
def test_an_agent_that_left_counts_as(reason: str, stayed: float, verdict: Verdict) -> None:
    """The table of departures: the reason heard, and how long it had stayed; no time is lost."""
    left = departure(session(notes=(note(reason, stayed=stayed),)), assignment(GONE), GONE, None, GONE.agent_missed_at)

    assert left is not None
    assert (left.verdict, left.why.reason, left.left_at, left.stayed) == (
        verdict,
        reason.lower(),
        LEFT_AT,
        seconds(stayed),
    )


SAYS_SO = note("CLIENT_INITIATED", stayed=2, done="call over")
BY_ITS_JOB = dispatch("AD_1", "greeter", job("bot", ended=True, succeeded=True))
BY_ANOTHERS = dispatch("AD_1", "greeter", job("bot"), job("other", ended=True, succeeded=True))
SOON = note("CLIENT_INITIATED", stayed=59.999)
STEADY = note("CLIENT_INITIATED", stayed=60)


@pytest.mark.parametrize(
    ("heard", "shown", "one", "verdict", "why"),
    [
        pytest.param(SAYS_SO, None, assignment(GONE), Verdict.FINISHED, "said so: call over", id="it-said-so"),
        pytest.param(
            note("CONNECTION_TIMEOUT", done="bye"),
            None,
            assignment(GONE),
            Verdict.FINISHED,
            "said so: bye",
            id="killed",
        ),
        pytest.param(STEADY, BY_ITS_JOB, assignment(GONE), Verdict.FINISHED, "job succeeded", id="its-job-says-so"),
        pytest.param(STEADY, BY_ANOTHERS, assignment(GONE), Verdict.LEFT, "", id="anothers-job-does"),
        pytest.param(SOON, None, assignment(GONE, goodbyes=1), Verdict.FINISHED, "left again", id="twice-in-a-row"),
        pytest.param(STEADY, None, assignment(GONE, goodbyes=1), Verdict.LEFT, "", id="after-a-while"),
        pytest.param(STEADY, None, TO_BE_DONE, Verdict.FINISHED, "on_finish", id="on_finish-done"),
        pytest.param(STEADY, None, AMBIENT, Verdict.FINISHED, "on_finish", id="a-room-without-people"),
        pytest.param(SAYS_SO, None, assignment(GONE, attended=False), Verdict.ENDED, "", id="nobody"),
    ],
)
def test_an_agent_that_left_is_known_to_be_done(
    heard: Note, shown: Dispatch | None, one: Assignment, verdict: Verdict, why: str
) -> None:
    """It said so, its job says so, it left twice in a row, or the rule takes every leaving for it."""
    left = departure(session(notes=(heard,)), one, GONE, shown, GONE.agent_missed_at)

    assert left is not None
    assert (left.verdict, left.why.done) == (verdict, why)


@pytest.mark.parametrize(("said", "verdict"), [("bye", Verdict.FINISHED), ("", Verdict.CRASHED)])
def test_without_a_webhook_the_last_look_tells_what_the_agent_said(said: str, verdict: Verdict) -> None:
    """Its attributes were seen while it was there."""
    gone = replace(GONE, done=said)

    left = departure(session(), assignment(gone), gone, None, gone.agent_missed_at + seconds(2))

    assert left is not None
    assert left.verdict is verdict


@pytest.mark.parametrize(
    ("reason", "patience"),
    [
        pytest.param(None, 2, id="no-webhook-yet"),
        pytest.param("", 2, id="L1-no-reason"),
        pytest.param("UNKNOWN_REASON", 2, id="unknown-reason"),
        pytest.param("DUPLICATE_IDENTITY", 2, id="L3-it-may-be-joining-again"),
        pytest.param("ROOM_CLOSED", 5, id="L4-the-room-is-ending"),
        pytest.param("ROOM_DELETED", 5, id="the-room-is-being-deleted"),
    ],
)
def test_what_may_be_no_crash_is_waited_for(reason: str | None, patience: float) -> None:
    """Nothing can be said for a while; then it was lost."""
    one = session(notes=() if reason is None else (note(reason),))

    assert departure(one, assignment(GONE), GONE, None, GONE.agent_missed_at + seconds(patience) - 1) is None
    late = departure(one, assignment(GONE), GONE, None, GONE.agent_missed_at + seconds(patience))
    assert late is not None
    assert late.verdict is Verdict.CRASHED


@pytest.mark.parametrize(
    ("stayed", "verdict"),
    [pytest.param(4.999, Verdict.FAILED, id="too-short"), pytest.param(5, Verdict.CRASHED, id="long-enough")],
)
def test_without_a_webhook_the_stay_is_what_looks_showed(stayed: float, verdict: Verdict) -> None:
    """W2: from the first look that showed it to the first that did not."""
    gone = replace(GONE, agent_missed_at=NOW + seconds(stayed))

    left = departure(session(), assignment(gone), gone, None, gone.agent_missed_at + seconds(2))

    assert left is not None
    assert (left.verdict, left.left_at) == (verdict, 0)


@pytest.mark.parametrize("reason", ["CLIENT_INITIATED", "PARTICIPANT_REMOVED", "CONNECTION_TIMEOUT"])
def test_with_nobody_there_an_agent_that_leaves_has_ended(reason: str) -> None:
    """Nobody is to be served any more, whatever the reason and the stay."""
    alone = assignment(GONE, attended=False)

    left = departure(session(notes=(note(reason, stayed=1),)), alone, GONE, None, GONE.agent_missed_at)

    assert left is not None
    assert left.verdict is Verdict.ENDED


def test_on_room_an_agent_is_wanted_with_nobody_there() -> None:
    """So its leaving counts."""
    alone = assignment(GONE, attended=False, policy=policy(trigger="room_started"))

    left = departure(session(notes=(note("CONNECTION_TIMEOUT"),)), alone, GONE, None, GONE.agent_missed_at)

    assert left is not None
    assert left.verdict is Verdict.CRASHED


NEVER_SEEN = attempt(dispatch="AD_1", identities=("bot",))


@pytest.mark.parametrize(
    ("one", "heard", "left"),
    [
        pytest.param(attempt(agent_sid="PA_bot"), note("SIGNAL_CLOSE"), False, id="ListParticipants-still-shows-it"),
        pytest.param(NEVER_SEEN, note("CLIENT_INITIATED"), True, id="it-came-and-went-between-two-looks"),
        pytest.param(
            NEVER_SEEN, note("CLIENT_INITIATED", heard=NOW - 1), False, id="of-an-earlier-agent-of-its-identity"
        ),
        pytest.param(attempt(dispatch="AD_1"), note("CLIENT_INITIATED"), False, id="its-job-is-not-listed-yet"),
        pytest.param(GONE, note("CLIENT_INITIATED", sid="PA_other"), False, id="of-another-connection"),
    ],
)
def test_a_note_concerns_an_attempt(one: Attempt, heard: Note, left: bool) -> None:
    """By its agent's SID; and by its job's identity where it never was seen."""
    assert (departure(session(notes=(heard,)), assignment(one), one, None, NOW + seconds(60)) is not None) is left


def test_a_launched_agent_that_left_before_the_attempt_began_is_an_earlier_one() -> None:
    """After the ledger was emptied the attempt has the same number, and so the same identity; LiveKit tells late."""
    began = LEFT_AT + 1
    launched = replace(NEVER_SEEN, target=Target("", launcher="avatar"), started_at=began)
    late = note("PARTICIPANT_REMOVED", heard=began + 1)

    assert departure(session(notes=(late,)), assignment(launched), launched, None, began + seconds(60)) is None
    now = replace(late, left_at=began)
    assert departure(session(notes=(now,)), assignment(launched), launched, None, began + seconds(60)) is not None


def test_of_several_notes_of_an_identity_the_last_counts() -> None:
    """Fixed identities recur."""
    notes = (note("CLIENT_INITIATED", sid="PA_1"), note("CONNECTION_TIMEOUT", sid="PA_2"))

    left = departure(session(notes=notes), assignment(NEVER_SEEN), NEVER_SEEN, None, NOW + seconds(61))

    assert left is not None
    assert left.verdict is Verdict.CRASHED


def test_without_a_note_only_an_agent_that_was_seen_can_be_missed() -> None:
    """One that never came has not left."""
    assert departure(session(), assignment(NEVER_SEEN), NEVER_SEEN, None, NOW + seconds(600)) is None
