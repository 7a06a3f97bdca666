import pytest
from msgspec.structs import replace

from dispatcher.core import transitions
from dispatcher.core.plan import Create, Retract
from dispatcher.core.retries import backoff
from dispatcher.core.rules import Target
from dispatcher.core.session import NotInSession, Session
from dispatcher.core.timeline import Entry, Part, Said, Verdict
from dispatcher.core.timing import TROUBLE_MS
from tests.unit.core.world import GREETER, NOW, assignment, attempt, policy, seconds, session

ASK = Create(assignment="greeter", number=1, target=GREETER)
LATER = NOW + seconds(3)
ASKED = session(assignment(attempt()))


def told(one: Session) -> Entry:
    """The last thing that was told."""
    return one.timeline[-1]


def test_asking_opens_an_attempt_before_the_call() -> None:
    """Laws 5 and 9: saved before the call, it is what a successor finds."""
    after = transitions.ask(session(assignment(slot_at=NOW)), replace(ASK, number=3), NOW)

    [asked] = after.assignments[0].attempts
    assert (asked.number, asked.target, asked.started_at, asked.dispatch, asked.open) == (3, GREETER, NOW, "", True)
    assert (after.assignments[0].last_number, after.assignments[0].slot_at, after.assignments[0].waits) == (3, 0, False)
    assert (told(after).said, told(after).number, told(after).agent) == (Said.DISPATCH_REQUESTED, 3, "greeter")


def test_an_answer_is_a_dispatch_and_no_agent() -> None:
    """I8, D1: a 200 proves nothing; but requests reach LiveKit again."""
    after = transitions.answered(session(assignment(attempt(), unsent=4)), ASK, "AD_1")

    assert after == session(assignment(attempt(dispatch="AD_1")))


def test_I3_an_unknown_outcome_leaves_the_attempt_open() -> None:  # noqa: N802
    """Looks will bind it or give it up."""
    after = transitions.unanswered(ASKED, ASK, LATER, "timeout")

    assert after.assignments == ASKED.assignments
    assert (told(after).said, told(after).reason) == (Said.DISPATCH_UNANSWERED, "timeout")


def test_D9_a_refusal_closes_the_attempt_and_leads_to_the_next_target() -> None:  # noqa: N802
    """There is no dispatch to take back."""
    after = transitions.refused(
        session(assignment(attempt(), policy=policy("greeter", "backup"))), ASK, LATER, "invalid"
    )

    one = after.assignments[0]
    assert (one.attempts[0].verdict, one.attempts[0].retract_at) == (Verdict.REFUSED, 0)
    assert (one.next_target, one.due_at) == (Target("backup"), LATER)
    assert (told(after).verdict, told(after).reason, told(after).took) == (Verdict.REFUSED, "invalid", seconds(3))


@pytest.mark.parametrize(
    ("retry_in", "due_in"),
    [
        pytest.param(0, backoff("greeter", 1), id="I4-after-the-backoff"),
        pytest.param(1, backoff("greeter", 1), id="the-longer-of-both"),
        pytest.param(seconds(60), seconds(60), id="Q5-as-the-server-asked"),
        pytest.param(TROUBLE_MS, seconds(30), id="Q4-somebody-must-mend-the-key-first"),
    ],
)
def test_what_was_never_sent_burns_its_number_and_no_try(retry_in: int, due_in: int) -> None:
    """Nothing happened: again later, at the same target."""
    after = transitions.unsent(ASKED, ASK, LATER, "unreachable", retry_in=retry_in)

    one = after.assignments[0]
    assert (one.attempts[0].verdict, one.attempts[0].retract_at) == (Verdict.UNSENT, 0)
    assert (one.last_number, one.tries, one.target_index, one.due_at) == (1, 0, 0, LATER + due_in)
    assert (told(after).verdict, told(after).reason) == (Verdict.UNSENT, "unreachable")


@pytest.mark.parametrize(
    ("due", "until", "put_off_to"),
    [pytest.param(5, 9, 9, id="later"), pytest.param(9, 5, 9, id="never-brought-forward")],
)
def test_a_create_is_put_off_or_reserved_never_brought_forward(due: int, until: int, put_off_to: int) -> None:
    """Its own backoff counts as well as its turn among all creates."""
    assert transitions.postpone(session(assignment(due_at=due)), "greeter", until) == session(
        assignment(due_at=put_off_to)
    )
    assert transitions.with_create_slot(session(assignment(due_at=due)), "greeter", until) == session(
        assignment(due_at=put_off_to, slot_at=until)
    )


SURPLUS = attempt(verdict=Verdict.SURPLUS, dispatch="AD_1", listed=True, agent_sid="PA_bot", retract_at=NOW)
TAKE_AGENT = Retract(assignment="greeter", number=1, agent_sid="PA_bot")
TAKE_DISPATCH = Retract(assignment="greeter", number=1, dispatch="AD_1")


def test_taking_an_agent_back_is_tried_again_until_a_look_shows_that_it_is_gone() -> None:
    """That LiveKit said yes proves nothing; each try waits longer than the one before."""
    once = transitions.retracted(session(assignment(SURPLUS)), TAKE_AGENT, NOW)
    twice = transitions.retracted(once, TAKE_AGENT, LATER)

    assert once.assignments[0].attempts == (replace(SURPLUS, retracts=1, retract_at=NOW + backoff("greeter", 1)),)
    assert twice.assignments[0].attempts == (replace(SURPLUS, retracts=2, retract_at=LATER + backoff("greeter", 2)),)
    assert (told(once).said, told(once).part, told(once).reason) == (Said.ATTEMPT_RETRACTED, Part.AGENT, "")


@pytest.mark.parametrize(("reason", "listed"), [("", False), ("timeout", True)], ids=["deleted", "the-call-failed"])
def test_a_dispatch_taken_back_is_no_longer_listed(reason: str, listed: bool) -> None:
    """Unless the call failed: then it is tried again."""
    leftover = replace(SURPLUS, agent_sid="")

    after = transitions.retracted(session(assignment(leftover)), TAKE_DISPATCH, NOW, reason=reason)

    assert after.assignments[0].attempts[0].listed is listed
    assert (told(after).part, told(after).reason) == (Part.DISPATCH, reason)


def test_a_dry_run_tells_what_it_would_ask_for_and_creates_nothing() -> None:
    """And again in 30 s, if it is still wanted then."""
    after = transitions.would_ask(session(assignment()), ASK, NOW)

    assert after.assignments == (assignment(due_at=NOW + seconds(30)),)
    assert (told(after).said, told(after).agent) == (Said.DISPATCH_SIMULATED, "greeter")


@pytest.mark.parametrize("one", [session(), session(assignment())], ids=["no-such-assignment", "no-such-attempt"])
def test_an_outcome_of_what_is_not_there_is_a_mistake_of_ours(one: Session) -> None:
    """A drive asks and hears the answer with one session in its hands: nothing is lost between the two."""
    with pytest.raises(NotInSession, match="greeter"):
        transitions.answered(one, ASK, "AD_1")
    with pytest.raises(NotInSession, match="greeter"):
        transitions.refused(one, ASK, NOW, "invalid")
    with pytest.raises(NotInSession, match="greeter"):
        transitions.retracted(one, TAKE_AGENT, NOW)
