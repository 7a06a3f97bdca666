"""Agents that no job explains: a token may bear any name. So a name serves for a while, and is told."""

from collections.abc import Callable

import pytest

from dispatcher.core.session import State
from dispatcher.core.timeline import Said, Verdict
from tests.unit.core.scene import Scene
from tests.unit.core.world import agent, job, only, person, rule


def comes_again(scene: Scene, *identities: str, every: float, times: int) -> None:
    """A stranger leaves and joins in the same moment, as one identity or several by turns, again and again."""
    for number in range(times):
        for old in [one for one in scene.present.values() if one.identity in identities]:
            scene.goes(old)
        scene.joins(agent(identities[number % len(identities)], sid=f"PA_stranger_{number}"))
        scene.run(every)


STRANGERS: dict[str, Callable[[Scene], None]] = {
    "one-that-stays": lambda scene: comes_again(scene, "stranger", every=31, times=1),
    "one-that-comes-again": lambda scene: comes_again(scene, "stranger", every=4, times=8),
    "one-that-comes-again-soon": lambda scene: comes_again(scene, "stranger", every=0.5, times=64),
    "two-by-turns": lambda scene: comes_again(scene, "one", "two", every=9, times=4),
}


@pytest.mark.parametrize("strangers", STRANGERS.values(), ids=STRANGERS)
def test_law_15_who_waits_beside_strangers_has_an_agent_asked_for_after_30_s(
    strangers: Callable[[Scene], None],
) -> None:
    """However they come and go; and that they are there is told before."""
    scene = Scene()
    scene.joins(agent("stranger", sid="PA_first"))
    scene.joins(person())
    scene.run(0.1)
    assert (scene.state(), scene.creates) == (State.SERVED, [])

    strangers(scene)
    [asked, *_] = [entry.at for entry in scene.session.timeline if entry.said is Said.DISPATCH_REQUESTED]
    [told, *_] = [entry.at for entry in scene.session.timeline if entry.said is Said.AGENT_UNREQUESTED]
    assert asked - scene.session.timeline[0].at <= 31_000
    assert told - scene.session.timeline[0].at <= 12_000


@pytest.mark.parametrize("waits", [2, 9, 29])
def test_an_agent_whose_job_is_listed_in_time_is_the_agent(waits: float) -> None:
    """Nobody else is asked for."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    scene.joins(agent("agent-AJ_1"))
    scene.run(waits)
    scene.jobs("AD_1", job("agent-AJ_1"))
    scene.run(60)

    assert (scene.state(), len(scene.creates)) == (State.SERVED, 1)
    assert scene.told(Said.AGENT_JOINED) == 1


def test_law_15_a_token_without_the_grant_of_an_agent_s_serves_nobody() -> None:
    """Every job's token has it; a bot's or an avatar's, made by hand, seldom has."""
    scene = Scene()
    scene.joins(agent("stranger", granted=False))
    scene.joins(person())
    scene.run(0.1)

    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 1)


def test_law_15_an_attempt_that_livekit_lost_is_given_up_beside_a_stranger() -> None:
    """Its agent might be the stranger, whose job is not listed yet: for 30 s, and no longer."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    scene.joins(agent("stranger"))
    scene.run(29)
    assert scene.attempt().open

    scene.run(2)
    assert scene.attempt().verdict is Verdict.SILENT
    assert len(scene.creates) == 2


def test_a_stranger_of_long_ago_does_not_serve_when_the_agent_is_lost() -> None:
    """It was there all the time, and nothing has explained it."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    lost = scene.comes("AD_1")
    scene.joins(agent("stranger"))
    scene.run(60)
    scene.leaves(lost, "CONNECTION_TIMEOUT")
    scene.run(2)

    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 2)


def test_a_stranger_keeps_no_second_person_waiting() -> None:
    """`per: participant`: what was no agent of Alice's in 30 s is none of Bob's."""
    scene = Scene(rule("each", "greeter", per="participant"))
    scene.joins(agent("stranger"))
    scene.joins(person("alice"))
    scene.run(31)
    scene.joins(person("bob"))
    scene.run(0.1)

    assert [step.assignment for step in scene.creates][:2] == ["each/alice", "each/bob"]


def test_a_stranger_of_another_rule_s_name_is_nobody_s_agent() -> None:
    """It serves who waits for that name, if anybody does."""
    scene = Scene(rule("vip", when=only("the-boss")), rule("greeter"))
    scene.joins(agent("stranger", "vip"))
    scene.joins(person("alice"))
    scene.run(0.1)

    assert [step.assignment for step in scene.creates] == ["greeter"]


def test_a_stranger_that_leaves_is_no_longer_waited_for() -> None:
    """The next one begins anew: an agent whose job is listed late has its time."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    scene.comes("AD_1")
    stranger = scene.joins(agent("stranger"))
    scene.run(60)
    scene.leaves(stranger)
    scene.run(1)

    assert scene.session.named_since == 0


def test_how_long_a_name_serves_is_the_rules() -> None:
    """As long as a job without an agent: `join_within`."""
    scene = Scene(rule(join_within=5_000))
    scene.joins(agent("stranger"))
    scene.joins(person())
    scene.run(5.1)

    assert len(scene.creates) == 1


def test_what_is_told_of_strangers_is_cut() -> None:
    """Law 8: a name of 56 kB is no reason for a record of 617."""
    scene = Scene()
    for number in range(8):
        scene.joins(agent(f"x{number}", f"{number}" + "A" * 56_000))
    scene.run(12)

    [told] = [entry.agent for entry in scene.session.timeline if entry.said is Said.AGENT_UNREQUESTED]
    assert len(told) < 200


def test_law_8_a_huge_name_does_not_hide_another_one() -> None:
    """Each name is cut by itself: of two strangers both are told."""
    scene = Scene()
    scene.joins(person())
    scene.joins(agent("huge", name="a" * 10_000))
    scene.joins(agent("small", name="intruder"))
    scene.run(11)

    [told] = [entry.agent for entry in scene.session.timeline if entry.said is Said.AGENT_UNREQUESTED]
    assert told.endswith(", intruder")
