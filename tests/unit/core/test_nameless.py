"""An agent without a name, which LiveKit sends into every room by itself: who sends it away, and who never does."""

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import Participant
from dispatcher.core.nameless import UNWELCOME_MAX, sent_away
from dispatcher.core.plan import Look, Retract, plan
from dispatcher.core.retries import backoff
from dispatcher.core.rules import Rule
from dispatcher.core.timeline import Said
from dispatcher.core.timing import GRACE_MS, UNATTRIBUTED_MS
from tests.unit.core.scene import Scene
from tests.unit.core.world import NOW, agent, assignment, attempt, job, person, rule, seconds, session

TIDY = rule(unrequested_agents="remove")
STRAY = agent("agent-AJ_stray", name="")


def served(*rules: Rule) -> Scene:
    """Alice has the greeter that was asked for."""
    scene = Scene(*(rules or (TIDY,)))
    scene.joins(person())
    scene.run(0.1)
    scene.comes("AD_1")
    scene.run(1)
    return scene


def test_law_13_unless_the_configuration_says_so_an_agent_without_a_name_stays() -> None:
    """It is reported, as any other that nobody asked for."""
    scene = served(rule())
    scene.joins(STRAY)
    scene.run(120)

    assert sorted(scene.agents()) == ["agent-AD_1", "agent-AJ_stray"]
    assert (scene.told(Said.AGENT_UNREQUESTED), scene.told(Said.AGENT_SENT_AWAY)) == (1, 0)


def test_law_13_an_agent_without_a_name_goes_where_the_configuration_says_so() -> None:
    """Two seconds after it was seen; ours stays, and nothing more is asked for."""
    scene = served()
    scene.joins(STRAY)
    scene.run(1.9)
    assert "agent-AJ_stray" in scene.agents()
    scene.run(0.2)
    assert scene.agents() == ["agent-AD_1"]
    scene.run(120)
    assert (scene.told(Said.AGENT_SENT_AWAY), scene.told(Said.AGENT_UNREQUESTED), len(scene.creates)) == (1, 0, 1)


def test_it_goes_while_our_own_is_only_asked_for() -> None:
    """Who waits for the right agent does not speak with the wrong one for long: 6 s, where no agent has a name yet."""
    scene = Scene(TIDY)
    scene.joins(person())
    scene.joins(STRAY)
    scene.run(5.9)
    assert scene.agents() == ["agent-AJ_stray"]
    scene.run(0.2)
    assert scene.agents() == []
    assert scene.assignment().open


def test_where_a_server_names_no_agent_ours_is_known_by_its_job_first() -> None:
    """Before 1.9.2; its job is listed 5 s late."""
    scene = Scene(TIDY)
    scene.joins(person())
    scene.run(0.1)
    scene.joins(agent("agent-AD_1", name=""))
    scene.run(5)
    scene.jobs("AD_1", job("agent-AD_1"))
    scene.run(60)

    assert scene.agents() == ["agent-AD_1"]
    assert scene.told(Said.AGENT_SENT_AWAY) == 0


def test_several_go_one_after_the_other() -> None:
    """However many there are."""
    scene = served()
    for number in range(UNWELCOME_MAX + 3):
        scene.joins(agent(f"agent-AJ_{number}0", name=""))
    scene.run(60)

    assert scene.agents() == ["agent-AD_1"]
    assert scene.told(Said.AGENT_SENT_AWAY) == UNWELCOME_MAX + 3


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(agent("agent-AJ_app", name="scribe"), id="it-has-a-name"),
        pytest.param(replace(STRAY, granted=False), id="no-job-s-token"),
        pytest.param(replace(STRAY, kind="STANDARD"), id="a-person-with-an-agent-s-grant"),
        pytest.param(replace(STRAY, attributes={"lk.publish_on_behalf": "agent-AD_1"}), id="an-avatar"),
        pytest.param(replace(STRAY, attributes={"lk.agent.name": "scribe"}), id="named-by-its-sdk"),
    ],
)
def test_law_13_nobody_else_is_sent_away(who: Participant) -> None:
    """Whatever the configuration says."""
    scene = served()
    scene.joins(who)
    scene.run(120)

    assert who.sid in scene.present
    assert scene.told(Said.AGENT_SENT_AWAY) == 0


@pytest.mark.parametrize("rules", [(TIDY,), (rule(kinds=frozenset({"SIP"}), unrequested_agents="remove"),)])
def test_law_13_where_no_agent_of_the_rule_is_there_or_asked_for_it_stays(rules: tuple[Rule, ...]) -> None:
    """Nobody waits whom the rule is for: the stray one may be all there is."""
    scene = Scene(*rules)
    scene.enter(STRAY)
    if rules[0].policy.kinds == frozenset({"SIP"}):
        scene.joins(person())
    scene.run(60)

    assert scene.agents() == ["agent-AJ_stray"]


def test_law_13_it_stays_when_our_own_has_left_with_everybody() -> None:
    """The assignment is there, and nobody waits."""
    scene = served()
    [alice] = [one for one in scene.present.values() if one.identity == "alice"]
    scene.leaves(alice)
    scene.leaves(next(one for one in scene.present.values() if one.is_agent))
    scene.run(5)
    scene.joins(STRAY)
    scene.run(60)

    assert scene.agents() == ["agent-AJ_stray"]
    assert not scene.assignment().open


def test_one_that_cannot_be_told_to_go_is_told_again() -> None:
    """After a backoff that grows; each try is told."""
    stray = session(assignment(attempt()), unwelcome=("PA_x",), unwelcome_at=NOW)
    failed = sent_away(stray, "PA_x", NOW, reason="timeout")
    again = sent_away(failed, "PA_x", NOW, reason="timeout")

    assert failed.unwelcome_at == NOW + backoff("PA_x", 1)
    assert again.unwelcome_at == NOW + backoff("PA_x", 2)
    assert [entry.reason for entry in again.timeline] == ["timeout", "timeout"]
    assert sent_away(again, "PA_x", NOW).unwelcome_at == NOW + GRACE_MS


def test_the_step_waits_for_its_time_and_for_a_fresh_look() -> None:
    """As every other that takes something away."""
    due = NOW + UNATTRIBUTED_MS[0]
    stray = session(assignment(attempt(agent_sid="PA_bot")), unwelcome=("PA_x", "PA_y"), unwelcome_at=due)

    assert plan(stray, due, fresh=True) == Retract(agent_sid="PA_x")
    assert plan(stray, due, fresh=False) == Look()
    assert plan(stray, due - seconds(1), fresh=True) != Retract(agent_sid="PA_x")
