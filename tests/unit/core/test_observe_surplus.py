"""One agent too many: late ones, foreign ones, what is taken back and in which order."""

import pytest
from msgspec.structs import replace

from dispatcher.core.plan import Rest, Retract, Wait
from dispatcher.core.rules import Rule
from dispatcher.core.session import State
from dispatcher.core.snapshot import Dispatch
from dispatcher.core.timeline import Said, Verdict
from tests.unit.core.scene import Scene
from tests.unit.core.world import NOW, agent, dispatch, done, job, person, rule, seconds, tagged


def asked_twice(*rules: Rule) -> Scene:
    """Alice waits; the first attempt was silent, the second is under way."""
    scene = Scene(*rules)
    scene.joins(person())
    scene.run(13)
    assert [step.number for step in scene.creates] == [1, 2]
    return scene


def test_D3_a_late_agent_reopens_its_attempt_when_nobody_else_serves() -> None:  # noqa: N802
    """The one under way becomes surplus, and nothing more is asked for."""
    scene = asked_twice()
    scene.comes("AD_1")
    scene.run(30)

    assert (scene.attempt(1).open, scene.attempt(2).verdict) == (True, Verdict.SURPLUS)
    assert (scene.agents(), len(scene.creates), scene.told(Said.ATTEMPT_REOPENED)) == (["agent-AD_1"], 2, 1)


def test_D3_a_late_agent_and_the_one_asked_for_in_the_same_look() -> None:  # noqa: N802
    """The attempt that is open has its agent, so the given-up one is not reopened, though its agent joined first."""
    scene = asked_twice()
    scene.comes("AD_1")
    scene.wait(0.2)
    scene.comes("AD_2")
    scene.run(60)

    assert (scene.agents(), list(scene.listed)) == (["agent-AD_2"], ["AD_2"])
    assert (scene.state(), len(scene.creates)) == (State.SERVED, 2)


def test_a_late_agent_of_an_assignment_that_is_done_is_removed_at_once() -> None:
    """It has nobody to serve, and its dispatch is known to be ours: there is nothing to linger for."""
    scene = asked_twice()
    second = scene.comes("AD_2")
    scene.run(10)
    scene.leaves(done(second))
    scene.run(0.1)
    scene.comes("AD_1")
    scene.run(0.1)

    assert (scene.state(), scene.agents(), len(scene.creates)) == (State.FINISHED, [], 2)


def test_an_attempt_that_ends_twice_says_so_the_second_time() -> None:
    """Given up, and its agent came after all and left: who counts how attempts ended counts it once."""
    scene = asked_twice()
    scene.comes("AD_1")
    scene.run(30)
    scene.leaves(done(agent("agent-AD_1", sid=scene.attempt(1).agent_sid)), "CLIENT_INITIATED")
    scene.run(30)

    ends = [one for one in scene.session.timeline if one.said is Said.ATTEMPT_ENDED and one.number == 1]
    assert [(one.verdict, one.again) for one in ends] == [(Verdict.SILENT, False), (Verdict.FINISHED, True)]


@pytest.mark.parametrize("first", ["AD_a", "AD_b"])
def test_of_two_agents_of_open_attempts_the_earliest_joined_stays(first: str) -> None:
    """An emptied ledger has forgotten which was given up: the other is removed, then its dispatch deleted."""
    scene = Scene()
    scene.joins(person())
    scene.lists(tagged(1, id_="AD_a"))
    scene.lists(tagged(2, id_="AD_b"))
    scene.comes(first)
    scene.wait(0.2)
    scene.comes("AD_b" if first == "AD_a" else "AD_a")
    scene.run(60)

    assert (scene.agents(), list(scene.listed)) == ([f"agent-{first}"], [first])


def test_D3_a_late_agent_is_removed_when_somebody_serves() -> None:  # noqa: N802
    """At once: its dispatch's 60 s are cut short, and it is not reopened."""
    scene = asked_twice()
    scene.comes("AD_2")
    scene.run(5)
    scene.comes("AD_1")
    scene.run(0.1)

    assert scene.agents() == ["agent-AD_2"]
    assert scene.attempt(1).verdict is Verdict.SILENT


def test_an_agent_is_removed_before_its_dispatch_is_deleted() -> None:
    """The other way round can orphan the agent."""
    scene = asked_twice()
    scene.comes("AD_2")
    scene.look()
    scene.comes("AD_1")
    scene.look()

    step = scene.take_back()
    assert step == Retract(assignment="greeter", number=1, agent_sid="PA_agent-AD_1")
    assert isinstance(scene.plan(), Wait)
    scene.wait(1)
    scene.look()
    assert scene.take_back() == Retract(assignment="greeter", number=1, dispatch="AD_1")
    scene.look()
    assert scene.plan() == Rest()


def test_an_agent_that_will_not_go_is_removed_again_and_again_slower_and_slower() -> None:
    """Its `retract_at` has a backoff of its own."""
    scene = asked_twice()
    scene.comes("AD_2")
    scene.look()
    stubborn = scene.comes("AD_1")
    tries = 0
    for _ in range(60):
        scene.run(1)
        if stubborn.sid not in scene.present:
            tries += 1
            scene.joins(stubborn)

    assert 5 <= tries <= 8


def test_D3_a_surplus_dispatch_whose_agent_has_not_come_stays_listed_for_60_s() -> None:  # noqa: N802
    """Its launch survives DeleteDispatch, and then nothing would say whose the second agent is."""
    scene = asked_twice()
    scene.comes("AD_1")
    scene.run(2)
    assert "AD_2" in scene.listed
    scene.comes("AD_2")
    scene.run(2)

    assert scene.agents() == ["agent-AD_1"]


def test_a_dispatch_is_not_deleted_while_an_agent_bears_its_identity() -> None:
    """LiveKit would remove that one: fixed identities recur."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    first = scene.comes("AD_1", "bot")
    scene.run(60)
    scene.leaves(first, "CONNECTION_TIMEOUT")
    scene.run(1)
    second = scene.comes("AD_2", "bot", sid="PA_second")
    scene.run(200)
    assert scene.agents() == ["bot"]
    assert "AD_1" in scene.listed

    scene.leaves(second, "CLIENT_INITIATED")
    scene.run(120)
    assert "AD_1" not in scene.listed


def app_brings(scene: Scene, made: Dispatch | None = None) -> None:
    """An app has made a dispatch of its own, whose agent has joined."""
    scene.lists(made or dispatch("AD_app"))
    scene.comes("AD_app")


def test_a_second_agent_of_one_dispatch_is_one_too_many() -> None:
    """The server retries within itself: two jobs under one dispatch (facts §2.1). Removed, or at least reported."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    scene.comes("AD_1", "first")
    scene.wait(0.2)
    scene.comes("AD_1", "second")
    scene.run(60)

    assert scene.agents() == ["first"] or scene.told(Said.AGENT_UNREQUESTED) == 1


def test_law_13_an_agent_that_is_not_ours_is_never_removed() -> None:
    """The app's is too many, so it is reported and left."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    scene.comes("AD_1")
    scene.run(5)
    app_brings(scene)
    scene.run(120)

    assert sorted(scene.agents()) == ["agent-AD_1", "agent-AD_app"]
    assert "AD_app" in scene.listed
    assert scene.told(Said.AGENT_UNREQUESTED) == 1


def test_a_late_foreign_agent_is_kept_and_ours_is_surplus() -> None:
    """It cannot be removed, so one of ours must go: the earlier one no less."""
    scene = Scene()
    scene.lists(dispatch("AD_app"))
    scene.joins(person())
    scene.run(13)
    scene.comes("AD_1")
    scene.run(5)
    scene.comes("AD_app")
    scene.run(30)

    assert scene.agents() == ["agent-AD_app"]
    assert (scene.state(), len(scene.creates)) == (State.SERVED, 1)


def test_law_13_the_dispatch_of_a_foreign_agent_that_has_left_is_left_alone() -> None:
    """Whoever made it may take it back."""
    scene = Scene()
    scene.lists(dispatch("AD_app"))
    scene.joins(person())
    scene.run(0.1)
    gone = scene.comes("AD_app")
    scene.run(60)
    scene.leaves(gone, "CONNECTION_TIMEOUT")
    scene.run(120)

    assert "AD_app" in scene.listed
    assert len(scene.creates) > 1


def reported() -> Scene:
    """`extra_agents: report`: the late first agent serves, and the second came all the same."""
    scene = asked_twice(rule(extra_agents="report"))
    scene.comes("AD_1")
    scene.run(1)
    scene.comes("AD_2")
    return scene


def test_surplus_is_only_reported_where_the_rule_says_so() -> None:
    """`extra_agents: report`: both stay, and it is told."""
    scene = reported()
    scene.run(120)

    assert sorted(scene.agents()) == ["agent-AD_1", "agent-AD_2"]
    assert [entry.number for entry in scene.session.timeline if entry.verdict is Verdict.SURPLUS] == [2]


def test_a_late_agent_is_only_reported_where_the_rule_says_so() -> None:
    """`extra_agents: report`: it is let alone too, not only for its dispatch's 60 s."""
    scene = asked_twice(rule(extra_agents="report"))
    scene.comes("AD_2")
    scene.run(5)
    scene.comes("AD_1")
    scene.run(120)

    assert sorted(scene.agents()) == ["agent-AD_1", "agent-AD_2"]


def test_a_surplus_agent_left_in_the_room_serves_when_the_other_is_lost() -> None:
    """`extra_agents: report`: there is one, so none is asked for."""
    scene = reported()
    scene.run(60)
    scene.leaves(agent("agent-AD_1"), "CONNECTION_TIMEOUT")
    scene.run(5)

    assert (scene.state(), len(scene.creates)) == (State.SERVED, 2)


def test_law_5_two_dispatches_of_ours_that_an_emptied_ledger_forgot_are_both_waited_for() -> None:
    """Neither is asked for again; the first agent stays."""
    scene = Scene()
    scene.joins(person())
    scene.lists(tagged(1, id_="AD_a"))
    scene.lists(tagged(2, id_="AD_b"))
    scene.run(5)
    assert scene.creates == []

    scene.comes("AD_b")
    scene.run(65)
    assert scene.agents() == ["agent-AD_b"]
    assert list(scene.listed) == ["AD_b"]


def test_a_finished_agent_that_comes_back_is_not_asked_to_serve() -> None:
    """The assignment is done; nobody is told to go either."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    finished = scene.comes("AD_1")
    scene.run(60)
    scene.leaves(done(finished), "CLIENT_INITIATED")
    scene.run(5)
    scene.joins(replace(finished, sid="PA_back"))
    scene.run(60)

    assert (scene.state(), scene.agents(), len(scene.creates)) == (State.FINISHED, ["agent-AD_1"], 1)


def test_assignments_of_each_have_surplus_of_their_own() -> None:
    """`per: participant`: two agents of one name, one for each, are one each."""
    scene = Scene(rule("each", per="participant"))
    scene.joins(person("alice"))
    scene.joins(person("bob"))
    scene.run(0.1)
    scene.comes("AD_1")
    scene.comes("AD_2")
    scene.run(120)

    assert sorted(scene.agents()) == ["agent-AD_1", "agent-AD_2"]
    assert len(scene.creates) == 2


def test_an_agent_is_tied_while_it_is_not_ACTIVE_yet_to_nobody() -> None:  # noqa: N802
    """Only an ACTIVE agent counts."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    scene.jobs("AD_1", job("bot"))
    scene.joins(agent("bot", active=False))
    scene.run(1)
    assert scene.state() is State.REQUESTED

    scene.joins(agent("bot"))
    scene.run(1)
    assert (scene.state(), scene.attempt().agent_seen_at) == (State.SERVED, scene.session.looked_at)
    assert scene.session.looked_at == NOW + seconds(1.1)


def test_a_served_assignment_leaves_an_unattributed_agent_to_one_that_waits() -> None:
    """`per: participant`: Alice has her own, so the agent whose job is not listed yet is Bob's."""
    scene = Scene(rule("each", "greeter", per="participant"))
    scene.joins(person("alice"))
    scene.run(0.1)
    scene.comes("AD_1")
    scene.joins(person("bob"))
    scene.run(0.1)
    scene.joins(agent("bobs"))
    scene.look()

    assert (scene.assignment("each/alice").served_by_name, scene.state("each/bob")) == (False, State.SERVED)


def test_a_room_over_by_look_is_missed_anew_when_somebody_says_that_it_lives() -> None:
    """One look that does not list it is no proof, again."""
    scene = Scene()
    scene.joins(person())
    scene.room = None
    scene.run(10)
    assert scene.told(Said.ROOM_FINISHED) == 1

    scene.hear("swept")
    scene.run(4.9)
    assert scene.told(Said.ROOM_FINISHED) == 1
    scene.run(0.2)
    assert scene.told(Said.ROOM_FINISHED) == 2


def test_law_10_an_emptied_ledger_gives_the_rooms_place_to_whose_agent_is_here() -> None:
    """Two rules had the room one after the other, and both dispatches are listed still: one agent, and not both."""
    scene = Scene(
        rule("rest", "greeter", kinds=frozenset({"STANDARD"})), rule("phone", "caller", kinds=frozenset({"SIP"}))
    )
    scene.enter(person("ann"))
    scene.enter(person("cal", kind="SIP"))
    scene.lists(tagged(1, "rest", "AD_1", "greeter", job("gone", ended=True)))
    scene.lists(tagged(1, "phone", "AD_2", "caller", job("here")))
    scene.enter(agent("here", "caller"))
    scene.hear("swept")
    scene.run(90)

    assert scene.agents() == ["here"]
    assert scene.creates == []
    assert scene.state("phone") is State.SERVED
