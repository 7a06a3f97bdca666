"""A paused agent is given to nobody new: assignments go on to their next target, or wait; nothing live is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core import retries
from dispatcher.core.pause import pause
from dispatcher.core.plan import Create, Look, Rest, Wait, plan
from dispatcher.core.rules import Target
from dispatcher.core.session import Assignment, Session, State
from dispatcher.core.timeline import Said, Verdict
from tests.unit.core.world import NOW, assignment, attempt, policy, seconds, session

AGENTS = ("a", "b", "c")
THREE = policy(*AGENTS)
ALL = frozenset(AGENTS)
LATER = NOW + seconds(30)


def three(**fields: object) -> Assignment:
    """An assignment with three targets that somebody waits for."""
    return replace(assignment(policy=THREE), **fields)


def paused(one: Assignment, *names: str) -> tuple[Assignment, list[Said]]:
    """The assignment while these are paused, and what was told."""
    after = pause(session(one), frozenset(names), NOW)
    return after.assignments[0], [entry.said for entry in after.timeline]


@pytest.mark.parametrize(
    ("names", "at", "target", "told"),
    [
        ("", 0, 0, []),
        ("b", 0, 0, []),
        ("a", 0, 1, [Said.TARGET_SKIPPED]),
        ("ab", 0, 2, [Said.TARGET_SKIPPED]),
        ("b", 1, 2, [Said.TARGET_SKIPPED]),
        ("c", 1, 1, []),
    ],
)
def test_a_paused_target_is_passed_over(names: str, at: int, target: int, told: list[Said]) -> None:
    """The next one that is not paused is due as it was, with all its attempts."""
    after, said = paused(three(target_index=at, tries=1, due_at=LATER), *names)

    assert (after.target_index, said) == (target, told)
    assert (after.tries, after.due_at, after.rounds) == (1 if target == at else 0, LATER, 0)


@pytest.mark.parametrize(
    ("rounds", "told"), [(0, [Said.TARGET_SKIPPED, Said.ASSIGNMENT_STARVED]), (1, [Said.TARGET_SKIPPED])]
)
def test_behind_the_last_target_the_round_is_used_up(rounds: int, told: list[Said]) -> None:
    """What is left of it is paused: from the first one that is not, after `retry_every`, and starved once."""
    after, said = paused(three(target_index=1, rounds=rounds, due_at=NOW), "b", "c")

    assert (after.target_index, after.rounds, after.due_at, said) == (0, rounds + 1, LATER, told)
    assert after.state is State.STARVED


def test_a_target_that_failed_is_not_asked_again_at_once_because_the_next_is_paused() -> None:
    """Else an agent that never comes would be asked for without end."""
    failed = three()
    for _ in range(THREE.attempts):
        failed = retries.failed(failed, Verdict.SILENT, NOW)
    after, _ = paused(failed, "b", "c")

    assert (after.next_target, after.due_at) == (Target("a"), LATER)


def test_an_assignment_without_a_target_is_held_and_is_no_alarm() -> None:
    """Told once; nothing is due, however long it lasts."""
    once = pause(session(three(rounds=1)), ALL, NOW)
    again = pause(once, ALL, LATER)

    assert again == once
    assert [(entry.said, entry.agent) for entry in once.timeline] == [(Said.ASSIGNMENT_PAUSED, "a")]
    assert once.assignments[0].state is State.PAUSED
    assert plan(once, LATER, fresh=True) == Rest()


def test_an_assignment_that_is_held_no_more_goes_on_at_once_with_its_whole_budget() -> None:
    """Whatever it had used up before; at a target that is not paused."""
    held = pause(session(three(rounds=2, target_index=2, tries=1, due_at=LATER)), ALL, NOW)
    free = pause(held, frozenset("a"), NOW)

    assert [entry.said for entry in free.timeline] == [
        Said.ASSIGNMENT_PAUSED,
        Said.ASSIGNMENT_RESUMED,
        Said.TARGET_SKIPPED,
    ]
    assert plan(free, NOW, fresh=True) == Create(assignment="greeter", number=1, target=Target("b"))


def test_an_assignment_that_nobody_waits_for_any_more_is_not_held() -> None:
    """Who comes after the pause finds an assignment like any other."""
    held = pause(session(three()), ALL, NOW).assignments[0]
    left, _ = paused(replace(held, attended=False), *ALL)

    assert (left.paused, left.state) == (False, State.IDLE)


LIVE = {
    "asked": three(attempts=(attempt(),), last_number=1),
    "served": three(attempts=(attempt(agent_sid="PA_1", agent_seen_at=NOW),), last_number=1),
    "served by name": three(served_by_name=True),
    "done": three(finished_at=NOW),
    "idle": three(attended=False),
    "remnant": three(remnant=True),
}


@pytest.mark.parametrize("kind", LIVE)
def test_nothing_live_is_touched(kind: str) -> None:
    """An open attempt is waited for, an agent stays, what is done stays done."""
    one = session(LIVE[kind])

    assert pause(one, ALL, NOW) == one


def test_an_attempt_that_fails_in_a_pause_is_followed_by_none() -> None:
    """It was asked for before; the next one is held."""
    failed = retries.failed(replace(LIVE["asked"], attempts=(attempt(verdict=Verdict.SILENT),)), Verdict.SILENT, NOW)
    after = pause(session(failed), ALL, NOW)

    assert after.assignments[0].state is State.PAUSED
    assert not isinstance(plan(after, LATER, fresh=True), Create)


def test_a_room_wants_its_agent_no_less() -> None:
    """`trigger: room_started`: nobody is there, and the assignment is held all the same."""
    after, said = paused(three(policy=replace(THREE, trigger="room_started"), attended=False), *ALL)

    assert (after.state, said) == (State.PAUSED, [Said.ASSIGNMENT_PAUSED])


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """A session with up to three assignments, anywhere in their lives."""
    live = st.sampled_from([*LIVE.values(), three(), three(paused=True)])
    numbers = st.integers(0, 2)
    assignments = [
        replace(draw(live), rule=name, target_index=draw(numbers), tries=draw(numbers), rounds=draw(numbers))
        for name in AGENTS[: draw(st.integers(1, 3))]
    ]
    return session(*assignments)


@given(one=sessions(), names=st.frozensets(st.sampled_from(AGENTS)))
def test_no_paused_agent_is_asked_for(one: Session, names: frozenset[str]) -> None:
    """Whatever the session: pausing twice is pausing once, and no step creates a paused agent."""
    after = pause(one, names, NOW)

    assert pause(after, names, NOW) == after
    for instant in (NOW, LATER):
        step = plan(after, instant, fresh=True)
        assert isinstance(step, Look | Rest | Wait) or (isinstance(step, Create) and step.target.agent not in names)


@given(one=sessions(), names=st.frozensets(st.sampled_from(AGENTS)))
def test_a_pause_changes_only_assignments_that_wait(one: Session, names: frozenset[str]) -> None:
    """Attempts, agents and everything else are as they were."""
    after = pause(one, names, NOW)

    for old, new in zip(one.assignments, after.assignments, strict=True):
        assert (new.attempts, new.finished_at, new.attended) == (old.attempts, old.finished_at, old.attended)
        assert old.needs_attempt or replace(new, paused=old.paused) == old
