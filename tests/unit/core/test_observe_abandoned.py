"""`per: participant`: the agent of somebody who has left makes room for who comes."""

import random

import pytest

from dispatcher.core.facts import LEFT, Participant
from dispatcher.core.fold import fold
from dispatcher.core.session import ASSIGNMENTS_MAX
from dispatcher.core.timeline import Said, Verdict
from dispatcher.core.timing import ABANDONED_MS
from tests.unit.core.scene import Scene
from tests.unit.core.world import NOW, assignment, attempt, dispatch, event, person, rule, session

EACH = rule("each", "greeter", per="participant")
GRACE = ABANDONED_MS / 1000


def served(scene: Scene, who: str = "alice") -> Participant:
    """Somebody has joined, and has an agent of their own."""
    scene.on_create = scene.comes
    visitor = scene.joins(person(who))
    scene.run(5)
    assert scene.assignment(f"each/{who}").serving is not None
    return visitor


def test_the_agent_of_somebody_who_has_left_is_told_to_go_after_a_while() -> None:
    """Not sooner: whoever loads a page again, or reconnects, keeps the agent."""
    scene = Scene(EACH)
    scene.leaves(served(scene))

    scene.run(GRACE - 1)
    assert scene.agents() == ["agent-AD_1"]

    scene.run(5)
    assert scene.agents() == []
    closed = scene.assignment("each/alice").attempts[0]
    assert closed.verdict is Verdict.SURPLUS
    assert not scene.listed


def test_who_comes_back_in_time_keeps_the_agent() -> None:
    """Under another SID; and the while begins anew when they leave again."""
    scene = Scene(EACH)
    scene.leaves(served(scene))
    scene.run(GRACE - 2)
    again = scene.joins(person(sid="PA_again"))
    scene.run(GRACE)
    assert scene.agents() == ["agent-AD_1"]

    scene.leaves(again)
    scene.run(GRACE - 2)
    assert scene.agents() == ["agent-AD_1"]
    assert len(scene.creates) == 1


def test_who_comes_back_later_has_another_agent() -> None:
    """The first one had been told to go."""
    scene = Scene(EACH)
    scene.leaves(served(scene))
    scene.run(GRACE + 5)
    scene.joins(person(sid="PA_again"))
    scene.run(5)

    assert scene.agents() == ["agent-AD_2"]


def test_law_13_an_agent_that_somebody_else_asked_for_stays() -> None:
    """It is not ours to tell; it holds its place while it is there."""
    scene = Scene(EACH)
    scene.lists(dispatch("AD_app"))
    visitor = scene.joins(person())
    scene.comes("AD_app")
    scene.run(5)
    scene.leaves(visitor)
    scene.run(3 * GRACE)

    assert scene.agents() == ["agent-AD_app"]
    assert scene.creates == []


def test_an_agent_that_is_only_to_be_reported_stays_and_is_no_longer_waited_for() -> None:
    """`extra_agents: report` removes nobody; its place is free all the same."""
    scene = Scene(rule("each", "greeter", per="participant", extra_agents="report"))
    scene.leaves(served(scene))
    scene.run(3 * GRACE)

    assert scene.agents() == ["agent-AD_1"]
    assert scene.assignment("each/alice").open == ()


def test_one_agent_for_a_room_is_told_to_go_by_nobody() -> None:
    """A room that is empty of people ends, and its agent with it."""
    scene = Scene(rule("each", "greeter"))
    scene.on_create = scene.comes
    visitor = scene.joins(person())
    scene.run(5)
    scene.leaves(visitor)
    scene.run(3 * GRACE)

    assert scene.agents() == ["agent-AD_1"]


@pytest.mark.parametrize(
    ("who", "stale"), [("alice", True), ("bob", False)], ids=["whose-agent-it-is", "whose-it-is-not"]
)
def test_the_leaving_of_whom_an_agent_is_for_is_looked_at(who: str, *, stale: bool) -> None:
    """Though it serves; of anybody else's leaving nothing comes."""
    mine = assignment(attempt(agent_sid="PA_bot", agent_seen_at=NOW), name="each", identity="alice", policy=EACH.policy)

    assert fold(session(mine), event(LEFT, person(who)), (EACH,), NOW).stale is stale


@pytest.mark.slow("300 people, second by second")
@pytest.mark.parametrize("seed", range(3))
def test_of_a_hundred_people_who_come_and_go_each_has_an_agent_and_no_more_are_kept(seed: int) -> None:
    """Agents never leave by themselves; those of whom the people have left make room for who comes."""
    chance = random.Random(seed)  # noqa: S311
    scene = Scene(EACH)
    scene.on_create = scene.comes
    here: list[Participant] = []
    for number in range(100):
        here.append(scene.joins(person(f"p{number}")))
        if len(here) > 4:
            scene.leaves(here.pop(chance.randrange(len(here))))
        scene.run(5)
        assert len(scene.session.assignments) <= ASSIGNMENTS_MAX
        for one in here:
            assert scene.assignment(f"each/{one.identity}").serving is not None, (number, one.identity)
    for one in here:
        scene.leaves(one)
    scene.run(GRACE + 10)

    assert scene.agents() == []
    assert scene.told(Said.ASSIGNMENT_OMITTED) == 0
