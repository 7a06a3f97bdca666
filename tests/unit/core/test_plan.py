import pytest
from msgspec.structs import replace

from dispatcher.core.facts import LEFT, ROOM_STARTED, Ms, Participant
from dispatcher.core.fold import fold
from dispatcher.core.plan import Create, Look, Rest, Retract, Step, Wait, plan
from dispatcher.core.rules import Target
from dispatcher.core.session import Attempt, Session
from dispatcher.core.timeline import Verdict
from tests.unit.core.world import NOW, agent, assignment, attempt, event, person, policy, rule, seconds, session

LATER = NOW + seconds(1)
ASKED = attempt(dispatch="AD_1", listed=True)
SURPLUS = attempt(verdict=Verdict.SURPLUS, dispatch="AD_1", listed=True, agent_sid="PA_bot", retract_at=NOW)
LEFTOVER = replace(SURPLUS, agent_sid="")
CREATE = Create(assignment="greeter", number=1, target=Target("greeter"))
TAKE_AGENT = Retract(assignment="greeter", number=1, agent_sid="PA_bot")
TAKE_DISPATCH = Retract(assignment="greeter", number=1, dispatch="AD_1")
DUE_LATER = assignment(due_at=NOW + seconds(9))


@pytest.mark.parametrize(
    ("one", "step"),
    [
        pytest.param(session(assignment(), finished=True, stale=True), Rest(), id="1-law-14-over"),
        pytest.param(session(assignment(), finished=True, final=True), Rest(), id="1-law-14-final"),
        pytest.param(session(assignment(), stale=True), Look(), id="2-stale"),
        pytest.param(session(assignment(LEFTOVER), stale=True), Look(), id="2-before-any-act"),
        pytest.param(
            session(assignment(), stale=True, present=5_000), Wait(NOW + seconds(2.5)), id="2-a-crowd-once-in-a-while"
        ),
        pytest.param(session(stale=True, present=5_000, looked_at=NOW - seconds(2.5)), Look(), id="2-a-crowd-again"),
        pytest.param(session(stale=True, present=99), Look(), id="2-few-people-at-once"),
        pytest.param(session(stale=True, present=10**6), Wait(NOW + seconds(5)), id="2-never-later-than-this"),
        pytest.param(
            session(stale=True, present=5_000, looked_at=NOW + seconds(2)), Look(), id="2-the-clock-stepped-back"
        ),
        pytest.param(
            session(assignment(attempt(started_at=NOW - seconds(0.5))), stale=True, present=5_000),
            Wait(NOW + seconds(1.5)),
            id="2-a-deadline-waits-for-no-crowd",
        ),
        pytest.param(session(assignment(attempt(started_at=NOW - seconds(1.5)))), Look(), id="2-a-deadline-passed"),
        pytest.param(session(assignment(), missed_at=NOW), Wait(NOW + seconds(5)), id="3-not-listed-no-create"),
        pytest.param(session(assignment(LEFTOVER), missed_at=NOW), Wait(NOW + seconds(5)), id="3-nor-retract"),
        pytest.param(session(assignment(SURPLUS)), TAKE_AGENT, id="4-the-agent-first"),
        pytest.param(session(assignment(LEFTOVER)), TAKE_DISPATCH, id="4-then-the-dispatch"),
        pytest.param(
            session(assignment(), assignment(SURPLUS, name="b")),
            replace(TAKE_AGENT, assignment="b"),
            id="4-before-a-create",
        ),
        pytest.param(
            session(assignment(replace(SURPLUS, retract_at=0), finished_at=1)), Rest(), id="4-not-to-be-taken-back"
        ),
        pytest.param(session(assignment(replace(LEFTOVER, listed=False), finished_at=1)), Rest(), id="4-nothing-shows"),
        pytest.param(
            session(assignment(replace(SURPLUS, ours=False), finished_at=1)), Rest(), id="4-law-13-never-a-foreign-one"
        ),
        pytest.param(
            session(assignment(replace(SURPLUS, verdict=None, agent_missed_at=0), finished_at=1)),
            Rest(),
            id="4-never-an-open-one",
        ),
        pytest.param(session(assignment()), CREATE, id="5-somebody-waits"),
        pytest.param(
            session(assignment(attempt(4, verdict=Verdict.SILENT))), replace(CREATE, number=5), id="5-the-next-number"
        ),
        pytest.param(
            session(assignment(policy=policy("a", "b"), target_index=1)),
            replace(CREATE, target=Target("b")),
            id="5-the-target-whose-turn-it-is",
        ),
        pytest.param(
            session(assignment(attended=False, policy=policy(trigger="room_started"))), CREATE, id="5-on-room"
        ),
        pytest.param(session(assignment(due_at=LATER)), CREATE, id="5-due-now"),
        pytest.param(
            session(assignment(finished_at=1), assignment(name="b")),
            replace(CREATE, assignment="b"),
            id="5-whichever-assignment-waits",
        ),
        pytest.param(session(assignment(ASKED)), Wait(NOW + seconds(2)), id="law-5-6-an-open-attempt"),
        pytest.param(session(DUE_LATER), Wait(NOW + seconds(9)), id="6-due-ahead"),
        pytest.param(
            session(DUE_LATER, assignment(name="b", due_at=NOW + seconds(4))),
            Wait(NOW + seconds(4)),
            id="6-the-earliest",
        ),
        pytest.param(
            session(assignment(replace(SURPLUS, retract_at=NOW + seconds(3)), finished_at=1)),
            Wait(NOW + seconds(3)),
            id="6-retract-ahead",
        ),
        pytest.param(session(), Rest(), id="7-no-rule-covers-the-room"),
        pytest.param(session(assignment(attended=False)), Rest(), id="7-idle"),
        pytest.param(session(assignment(finished_at=1)), Rest(), id="7-done"),
        pytest.param(session(assignment(attempt(agent_sid="PA_bot"))), Rest(), id="7-served"),
        pytest.param(
            session(assignment(served_by_name=True), named_since=NOW), Wait(NOW + seconds(30)), id="6-served-by-name"
        ),
    ],
)
def test_the_table_of_steps(one: Session, step: Step) -> None:
    """The first line that applies, one second after the last look."""
    assert plan(one, LATER, fresh=True) == step


@pytest.mark.parametrize("one", [session(assignment()), session(assignment(SURPLUS)), session(assignment(LEFTOVER))])
def test_law_4_nothing_is_done_on_an_old_look(one: Session) -> None:
    """Create and Retract need a fresh look; else they mean Look."""
    assert plan(one, LATER, fresh=False) == Look()


@pytest.mark.parametrize(
    "one", [session(DUE_LATER), session(), session(assignment(ASKED)), session(assignment(), missed_at=NOW)]
)
def test_waiting_needs_no_look(one: Session) -> None:
    """What is ahead is ahead, however old the look."""
    assert plan(one, LATER, fresh=False) == plan(one, LATER, fresh=True)


PUBLISHER = policy(worker_type="publisher")
MISSED = replace(ASKED, agent_sid="PA_bot", agent_missed_at=NOW)


@pytest.mark.parametrize(
    ("one", "looks"),
    [
        pytest.param(session(assignment(ASKED)), [2, 6, 9, 12, 30], id="D7-an-open-attempt-until-confirm-and-join"),
        pytest.param(
            session(assignment(ASKED, policy=policy(confirm_within=4_000, join_within=9_000))),
            [2, 4, 6, 9],
            id="as-the-rule-says",
        ),
        pytest.param(session(assignment(replace(ASKED, probe=True))), [1.5, 2, 6, 9, 12, 30], id="a-probe"),
        pytest.param(session(assignment(MISSED)), [2, 5], id="a-missed-agent"),
        pytest.param(session(unattributed=("PA_x",), unattributed_since=NOW), [2, 6, 10], id="an-unattributed-agent"),
        pytest.param(session(assignment(ASKED, policy=PUBLISHER)), [2, 6, 9], id="nobody-has-published"),
        pytest.param(
            session(assignment(ASKED, policy=PUBLISHER), published_at=NOW + 7_000),
            [9, 13, 16, 19, 37],
            id="somebody-has",
        ),
        pytest.param(
            session(assignment(ASKED), unattributed=("PA_x",), unattributed_since=NOW),
            [2, 6, 9, 10, 12, 30],
            id="two-reasons",
        ),
        pytest.param(session(assignment(served_by_name=True), named_since=NOW), [30], id="law-15-served-by-name"),
        pytest.param(
            session(assignment(served_by_name=True, policy=policy(join_within=9_000)), named_since=NOW),
            [9],
            id="law-15-by-the-rule",
        ),
        pytest.param(session(assignment(finished_at=1), named_since=NOW), [], id="an-agent-of-its-name-serves-nobody"),
        pytest.param(session(assignment(replace(ASKED, agent_sid="PA_bot"))), [], id="served"),
    ],
)
def test_a_passed_deadline_means_look(one: Session, looks: list[float]) -> None:
    """Between two looks there is nothing to do; and each is asked for once."""
    found: list[float] = []
    while isinstance(step := plan(one, one.looked_at, fresh=True), Wait):
        assert plan(one, step.until - 1, fresh=False) == step
        assert plan(one, step.until, fresh=False) == Look()
        found.append((step.until - NOW) / 1000)
        one = replace(one, looked_at=step.until)

    assert found == looks
    assert step == Rest()


def test_a_room_that_was_not_listed_is_looked_at_again_after_5_s() -> None:
    """Until then nothing is done; and not much else may be asked either."""
    missed = session(assignment(), missed_at=NOW)

    assert plan(missed, NOW + seconds(5) - 1, fresh=True) == Wait(NOW + seconds(5))
    assert plan(missed, NOW + seconds(5), fresh=True) == Look()


def test_a_look_that_comes_late_settles_every_deadline_before_it() -> None:
    """No look is made up for: a replica that was down looks once."""
    asked = session(assignment(ASKED))

    assert plan(asked, NOW + seconds(20), fresh=False) == Look()
    assert plan(replace(asked, looked_at=NOW + seconds(20)), NOW + seconds(20), fresh=True) == Wait(NOW + seconds(30))


def test_each_attempt_is_taken_back_at_its_own_time() -> None:
    """One that will not go blocks nothing else."""
    stuck: Attempt = replace(SURPLUS, retract_at=NOW + seconds(30), retracts=7)

    step = plan(session(assignment(stuck, replace(LEFTOVER, number=2, dispatch="AD_2"))), LATER, fresh=True)

    assert step == Retract(assignment="greeter", number=2, dispatch="AD_2")


OVER_BY_LOOK = session(missed_at=NOW, finished=True, looked_at=NOW + seconds(5))


@pytest.mark.parametrize(
    ("name", "who"),
    [
        pytest.param(LEFT, person(), id="somebody-left-said-late"),
        pytest.param(ROOM_STARTED, None, id="room-started-said-late"),
        pytest.param(LEFT, agent(disconnect_reason="ROOM_CLOSED"), id="the-agent-left-with-the-room-said-late"),
    ],
)
@pytest.mark.parametrize("later", [seconds(6), seconds(600)])
def test_W1_a_session_over_by_look_that_an_event_revives_is_looked_at(  # noqa: N802
    name: str, who: Participant | None, later: Ms
) -> None:
    """Late events of the old life make one more look, not a wait that is over before it began."""
    revived = fold(OVER_BY_LOOK, event(name, who), (rule(),), NOW + later)

    step = plan(revived, NOW + later, fresh=False)

    assert step == Look() or (isinstance(step, Wait) and step.until > NOW + later)
