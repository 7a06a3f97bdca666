import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.session import (
    ATTEMPTS_MAX,
    TIMELINE_MAX,
    Assignment,
    NotInSession,
    State,
    with_assignment,
    with_attempt,
    with_entry,
)
from dispatcher.core.timeline import Entry, Said, Verdict
from tests.unit.core.world import NOW, assignment, attempt, policy, session

ON_ROOM = policy(trigger="room_started")
SERVING = attempt(agent_sid="PA_1")
SILENT = attempt(verdict=Verdict.SILENT)


@pytest.mark.parametrize(
    ("one", "state"),
    [
        pytest.param(assignment(), State.WAITING, id="somebody-there-nothing-open"),
        pytest.param(assignment(SILENT, due_at=NOW), State.WAITING, id="between-two-attempts"),
        pytest.param(assignment(attended=False), State.IDLE, id="nobody-there"),
        pytest.param(assignment(attended=False, policy=ON_ROOM), State.WAITING, id="on-room-waits-for-nobody"),
        pytest.param(assignment(attempt()), State.REQUESTED, id="an-attempt-is-open"),
        pytest.param(assignment(attempt(dispatch="AD_1", listed=True)), State.REQUESTED, id="D1-a-200-is-no-proof"),
        pytest.param(assignment(attempt(identities=("agent-AJ_1",))), State.REQUESTED, id="D2-JS_RUNNING-is-no-proof"),
        pytest.param(assignment(SERVING), State.SERVED, id="its-agent-is-here"),
        pytest.param(assignment(replace(SERVING, agent_missed_at=NOW)), State.REQUESTED, id="its-agent-is-missed"),
        pytest.param(
            assignment(replace(SERVING, verdict=Verdict.SURPLUS)), State.WAITING, id="a-closed-attempt-serves-nobody"
        ),
        pytest.param(assignment(attempt(), served_by_name=True), State.SERVED, id="an-agent-of-its-name-is-here"),
        pytest.param(assignment(SERVING, rounds=2), State.SERVED, id="served-after-starving"),
        pytest.param(assignment(SILENT, rounds=1), State.STARVED, id="every-target-used-up"),
        pytest.param(assignment(SILENT, attempt(2), rounds=1), State.STARVED, id="and-tried-again"),
        pytest.param(assignment(SILENT, rounds=1, attended=False), State.IDLE, id="nobody-starves-alone"),
        pytest.param(assignment(SILENT, rounds=1, attended=False, policy=ON_ROOM), State.STARVED, id="but-a-room-does"),
        pytest.param(assignment(finished_at=NOW), State.FINISHED, id="done"),
        pytest.param(assignment(remnant=True), State.FINISHED, id="nobody-assignments-it-any-more"),
        pytest.param(assignment(finished_at=NOW, rounds=1, attended=False), State.FINISHED, id="done-whoever-is-there"),
    ],
)
def test_the_state_of_an_assignment_is_derived(one: Assignment, state: State) -> None:
    """Stored are attempts and facts; where an assignment stands follows from them."""
    assert one.state is state


@pytest.mark.parametrize(
    ("one", "waits"),
    [
        pytest.param(assignment(), True, id="somebody-there"),
        pytest.param(assignment(attended=False), False, id="nobody-there"),
        pytest.param(assignment(attended=False, policy=ON_ROOM), True, id="on-room"),
        pytest.param(assignment(attempt()), False, id="law-5-an-attempt-is-open"),
        pytest.param(assignment(SILENT), True, id="a-closed-one-is-not"),
        pytest.param(assignment(finished_at=NOW), False, id="done"),
        pytest.param(assignment(served_by_name=True), False, id="served-by-name"),
        pytest.param(assignment(remnant=True), False, id="nobody-assignments-it-any-more"),
    ],
)
def test_an_assignment_waits_when_somebody_does_and_nothing_is_under_way(one: Assignment, waits: bool) -> None:
    """Only an assignment that waits gets a Create."""
    assert one.waits is waits


def test_a_assignments_key_is_its_rule_or_rule_and_identity() -> None:
    """The SID is not part of it: it names the session."""
    assert assignment().key == "greeter"
    assert assignment(identity="alice").key == "greeter/alice"


def test_targets_come_in_order_and_again() -> None:
    """After the last target comes the first."""
    one = assignment(policy=policy("a", "b"))

    assert [replace(one, target_index=number).next_target.agent for number in range(3)] == ["a", "b", "a"]


def test_an_assignment_replaces_the_one_of_its_key() -> None:
    """Its place among the assignments stays: older ones come first."""
    older, newer = assignment(name="a"), assignment(name="b")
    changed = replace(older, tries=1)

    assert with_assignment(session(older, newer), changed).assignments == (changed, newer)
    assert with_assignment(session(older), newer).assignments == (older, newer)


@given(
    numbers=st.lists(st.integers(1, 40), max_size=60),
    closed=st.sets(st.integers(1, 40)),
    shown=st.sets(st.integers(1, 40)),
)
def test_law_8_attempts_are_capped(numbers: list[int], closed: set[int], shown: set[int]) -> None:
    """Whatever attempts come, ATTEMPTS_MAX are kept, by number, and the highest number is remembered."""
    one = assignment()
    for number in numbers:
        verdict = Verdict.SILENT if number in closed else None
        one = with_attempt(one, attempt(number, verdict=verdict, listed=number in shown))

    kept = [each.number for each in one.attempts]
    assert len(kept) <= ATTEMPTS_MAX
    assert kept == sorted(set(kept))
    assert one.last_number == max(numbers, default=0)


def test_of_too_many_attempts_a_closed_one_that_shows_nothing_goes_first() -> None:
    """Then a closed one that shows, then the oldest."""
    showing = [attempt(number, verdict=Verdict.SILENT, listed=True) for number in (1, 2)]
    bare = [attempt(number, verdict=Verdict.SILENT) for number in (3, 4)]
    opened = [attempt(number) for number in range(5, 9)]
    one = assignment(*showing, *bare, *opened)
    dropped: list[int] = []
    for number in range(9, 14):
        before = {each.number for each in one.attempts}
        one = with_attempt(one, attempt(number))
        dropped += before - {each.number for each in one.attempts}

    assert dropped == [3, 4, 1, 2, 5]


def test_an_attempt_replaces_the_one_of_its_number() -> None:
    """No number is there twice."""
    assert with_attempt(assignment(attempt()), SILENT).attempts == (SILENT,)


def test_law_8_the_timeline_is_capped_and_keeps_how_it_began() -> None:
    """The first quarter and the newest entries stay; how many were told is counted."""
    told = session()
    for number in range(1000):
        told = with_entry(told, Entry(at=NOW, said=Said.DISPATCH_REQUESTED, number=number))

    first = TIMELINE_MAX // 4
    assert [entry.number for entry in told.timeline] == [*range(first), *range(1000 - TIMELINE_MAX + first, 1000)]
    assert told.entries_total == 1000


def test_what_a_session_does_not_have_is_named() -> None:
    """Who asks for it is in the wrong, and is told what was missing; where absence is a real case, None says so."""
    one = assignment(attempt())

    with pytest.raises(NotInSession, match=r"^nobody$"):
        session(one).assignment("nobody")
    with pytest.raises(NotInSession, match=rf"^{one.key}#7$"):
        one.attempt(7)
    assert (session(one).find("nobody"), one.find(7)) == (None, None)
