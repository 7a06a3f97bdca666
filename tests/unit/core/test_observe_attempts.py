"""What becomes of an attempt that brought no agent: the table of verdicts, as stories."""

import pytest

from dispatcher.core import transitions
from dispatcher.core.facts import LEFT
from dispatcher.core.plan import Rest, Wait
from dispatcher.core.rules import Rule
from dispatcher.core.session import State
from dispatcher.core.timeline import Said, Verdict
from dispatcher.core.timing import TROUBLE_MS
from tests.unit.core.scene import Scene
from tests.unit.core.world import LIVEKIT_AHEAD, NO, NOW, agent, dispatch, job, only, person, rule, seconds, tagged

BACKED_UP = rule("greeter", "greeter", "backup", "voicemail")


def asked(*rules: Rule) -> Scene:
    """Alice has joined, and the first Create was answered."""
    scene = Scene(*rules)
    scene.joins(person())
    scene.look()
    scene.request()
    return scene


def test_D1_D4_a_silent_dispatch_is_given_up_after_12_s_and_asked_for_again() -> None:  # noqa: N802
    """No job: looked at after 2 and 12 s; the next attempt 0.5 s later."""
    scene = asked()
    scene.run(11.9)
    assert (scene.attempt().verdict, len(scene.creates)) == (None, 1)

    scene.run(1)
    assert scene.attempt().verdict is Verdict.SILENT
    assert [step.number for step in scene.creates] == [1, 2]


def test_D2_a_job_without_an_agent_is_a_no_show_after_30_s() -> None:  # noqa: N802
    """JS_RUNNING proves nothing."""
    scene = asked()
    scene.jobs("AD_1", job())
    scene.run(29.9)
    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 1)

    scene.run(1)
    assert scene.attempt().verdict is Verdict.NO_SHOW
    assert len(scene.creates) == 2


def test_D7_a_workers_no_is_found_by_the_early_look_and_leads_to_the_next_target() -> None:  # noqa: N802
    """2 s after the Create, and no backoff."""
    scene = asked(BACKED_UP)
    scene.jobs("AD_1", NO)
    scene.run(2)

    assert scene.attempt().verdict is Verdict.REJECTED
    assert [(step.number, step.target.agent) for step in scene.creates] == [(1, "greeter"), (2, "backup")]


def test_D7_a_no_that_is_listed_5_s_late_leads_to_the_next_target_after_6_s() -> None:  # noqa: N802
    """As LiveKit lists it for the first job after a minute's quiet (livekit.md §0)."""
    scene = asked(BACKED_UP)
    scene.run(5.5)
    scene.jobs("AD_1", NO)
    scene.run(0.6)

    assert scene.attempt().verdict is Verdict.REJECTED
    assert [(step.number, step.target.agent) for step in scene.creates] == [(1, "greeter"), (2, "backup")]


def test_D1_fallback_after_the_budget_then_starved_then_retried() -> None:  # noqa: N802
    """Three attempts per target, then the next; then an alarm, told once, and one per target every 30 s."""
    scene = asked(rule("greeter", "greeter", "backup", attempts=2))
    scene.run(300)

    assert scene.state() is State.STARVED
    assert scene.told(Said.ASSIGNMENT_STARVED) == 1
    assert [step.target.agent for step in scene.creates][:8] == [
        *["greeter"] * 2,
        *["backup"] * 2,
        "greeter",
        "backup",
        "greeter",
        "backup",
    ]


def test_D5_a_worker_that_registers_late_gets_the_next_attempt() -> None:  # noqa: N802
    """Starved is an alarm and no end: 180 s later it joins, once."""
    scene = asked()
    scene.run(180)
    asked_so_far = len(scene.creates)
    scene.on_create = scene.comes
    scene.run(120)

    assert scene.state() is State.SERVED
    assert len(scene.creates) == asked_so_far + 1
    assert len(scene.agents()) == 1


def test_a_starved_assignment_wakes_with_its_whole_budget_when_somebody_comes_to_an_empty_room() -> None:
    """The slow retry is for who has waited all along."""
    scene = asked()
    scene.run(60)
    assert scene.state() is State.STARVED
    scene.leaves(person())
    scene.run(300)
    assert scene.state() is State.IDLE

    scene.joins(person("bob"))
    scene.run(0.1)
    assert scene.state() is State.REQUESTED
    assert (scene.assignment().rounds, scene.assignment().tries) == (0, 0)


def test_L8_nobody_is_asked_for_once_the_last_person_has_left() -> None:  # noqa: N802
    """The attempt under way is given up, and that is all."""
    scene = asked()
    scene.leaves(person())
    scene.run(300)

    assert scene.state() is State.IDLE
    assert len(scene.creates) == 1
    assert scene.plan() == Rest()


def test_L9_joining_leaving_and_joining_again_makes_one_dispatch() -> None:  # noqa: N802
    """What is under way is for whoever is there."""
    scene = asked()
    scene.leaves(person())
    scene.run(0.3)
    scene.joins(person(sid="PA_again"))
    scene.run(5)

    assert len(scene.creates) == 1


@pytest.mark.parametrize("after", [0.1, 1.9])
def test_a_dispatch_not_listed_at_once_is_waited_for(after: float) -> None:
    """It vanished only if it is not there 2 s after the Create."""
    scene = asked()
    made = scene.listed.pop("AD_1")
    scene.wait(after)
    scene.look()
    assert scene.attempt().open

    scene.lists(made)
    scene.run(5)
    assert scene.attempt().open


def test_a_dispatch_that_somebody_deleted_has_vanished() -> None:
    """The next attempt follows; nothing is left to take back."""
    scene = asked()
    scene.listed.clear()
    scene.run(3)

    assert scene.attempt().verdict is Verdict.VANISHED
    assert len(scene.creates) == 2


@pytest.mark.parametrize("listed", [True, False], ids=["it-was-made", "it-was-not"])
def test_I3_an_unknown_outcome_makes_no_second_dispatch_until_a_look_has_given_it_up(listed: bool) -> None:  # noqa: N802
    """Bound by its tag if it is there; silent after 12 s if nothing comes of it."""
    scene = Scene()
    scene.joins(person())
    scene.look()
    scene.request(answered=False)
    if not listed:
        scene.listed.clear()
    scene.run(11.9)
    assert len(scene.creates) == 1
    assert scene.attempt().dispatch == ("AD_1" if listed else "")

    scene.run(1)
    assert scene.attempt().verdict is Verdict.SILENT
    assert len(scene.creates) == 2


def test_I3_a_lost_replys_agent_is_ours() -> None:  # noqa: N802
    """Bound by its tag, tied by its job, served; law 5: no other is asked for."""
    scene = Scene()
    scene.joins(person())
    scene.look()
    scene.request(answered=False)
    scene.comes("AD_1")
    scene.run(120)

    assert (scene.state(), scene.attempt().ours, len(scene.creates)) == (State.SERVED, True, 1)


def test_R3_a_successor_goes_on_with_the_same_attempt() -> None:  # noqa: N802
    """A crash between saving and the call: the attempt is open, given up in time, and its number never used again."""
    scene = Scene()
    scene.joins(person())
    scene.look()
    scene.ask()
    scene.run(13)

    assert [step.number for step in scene.creates] == [1, 2]


def test_Q4_the_projects_own_trouble_is_waited_out() -> None:  # noqa: N802
    """Every 30 s or longer, at the same target, with no try counted."""
    scene = Scene(BACKED_UP)
    scene.joins(person())
    scene.look()
    for _ in range(3):
        step = scene.ask()
        scene.session = transitions.unsent(scene.session, step, scene.now, "unauthorized", retry_in=TROUBLE_MS)
        assert scene.plan() == Wait(scene.now + TROUBLE_MS)
        scene.wait(30)
        scene.look()

    assert [(step.number, step.target.agent) for step in scene.creates] == [
        (1, "greeter"),
        (2, "greeter"),
        (3, "greeter"),
    ]


def test_a_given_up_dispatch_stays_listed_for_60_s() -> None:
    """A launch already queued survives DeleteDispatch, and only a listed dispatch proves whose its agent is."""
    scene = asked()
    scene.run(12 + 59)
    assert "AD_1" in scene.listed

    scene.run(2)
    assert "AD_1" not in scene.listed


def test_an_adopted_dispatch_has_its_own_time_from_when_it_was_first_seen() -> None:
    """A token's dispatch is waited for as one of ours is; then ours follows, and law 13: the foreign one stays."""
    scene = Scene()
    scene.lists(dispatch("AD_token"))
    scene.wait(600)
    scene.joins(person())
    scene.run(11.9)
    assert scene.creates == []

    scene.run(300)
    assert scene.attempt().verdict is Verdict.SILENT
    assert len(scene.creates) > 1
    assert "AD_token" in scene.listed


def test_an_adopted_dispatch_that_brings_its_agent_is_the_assignments() -> None:
    """From a token, SIP, an app: all the same."""
    scene = Scene()
    scene.lists(dispatch("AD_token"))
    scene.joins(person())
    scene.look()
    scene.comes("AD_token")
    scene.run(60)

    assert (scene.state(), scene.creates) == (State.SERVED, [])


def test_law_10_an_emptied_ledger_adds_no_agent() -> None:
    """The session is rebuilt from what LiveKit shows: the agent at work is ours, under its old number."""
    scene = asked()
    scene.run(14)
    scene.comes("AD_2")
    scene.run(5)
    scene.session = Scene().session
    scene.hear("swept")
    scene.run(120)

    assert (scene.state(), len(scene.creates), scene.agents()) == (State.SERVED, 2, ["agent-AD_2"])
    assert scene.assignment().last_number == 2
    assert "AD_1" not in scene.listed


def test_law_10_an_emptied_ledger_while_nothing_has_come_yet() -> None:
    """The dispatch under way is waited for again, and nothing is asked for on top of it."""
    scene = asked()
    scene.run(5)
    scene.session = Scene().session
    scene.hear("swept")
    scene.run(11.9)
    assert len(scene.creates) == 1

    scene.comes("AD_1")
    scene.run(60)
    assert (scene.state(), len(scene.creates)) == (State.SERVED, 1)


def test_law_10_an_emptied_ledger_when_the_one_who_was_served_first_has_left() -> None:
    """The supervisor shared the caller's agent, and matches another rule: the agent at work is still the room's."""
    scene = Scene(rule("sales", when=only("caller")), rule("support", when=only("boss")))
    caller = scene.joins(person("caller"))
    scene.joins(person("boss"))
    scene.run(0.1)
    scene.comes("AD_1")
    scene.run(5)
    scene.leaves(caller)
    scene.session = Scene().session
    scene.hear("swept")
    scene.run(60)

    assert [step.target.agent for step in scene.creates] == ["sales"]
    assert scene.agents() == ["agent-AD_1"]


def test_a_revived_room_with_nobody_there_gives_its_dispatch_back() -> None:
    """Law 14: a Create that found the room closed opened a new one, and its agent is alone there."""
    scene = Scene()
    scene.lists(tagged(1, id_="AD_old"))
    scene.comes("AD_old")
    scene.run(60)

    assert (scene.agents(), scene.listed, scene.creates) == ([], {}, [])
    assert scene.plan() == Rest()


def test_a_revived_assignment_is_wanted_again_by_whom_its_rule_is_for() -> None:
    """Its numbers go on where they were: no tag is used twice."""
    scene = Scene()
    scene.lists(tagged(4, id_="AD_old"))
    scene.hear("swept")
    scene.run(5)
    assert scene.state() is State.FINISHED

    scene.joins(person())
    scene.run(0.1)
    assert [step.number for step in scene.creates] == [5]
    assert scene.state() is State.REQUESTED


def test_a_revived_assignment_is_served_by_nobody() -> None:
    """An agent of its name is here for no one, and is reported."""
    scene = Scene()
    scene.lists(tagged(1, id_="AD_old"))
    scene.enter(agent("stranger"))
    scene.hear("swept")
    scene.run(15)

    assert (scene.state(), scene.told(Said.AGENT_UNREQUESTED)) == (State.FINISHED, 1)


def test_a_revived_assignment_stands_in_nobodys_way() -> None:
    """The dispatch was a VIP's; Alice, who comes then, matches another rule and gets that rule's agent."""
    scene = Scene(rule("vip", when=only("the-boss")), rule("greeter"))
    scene.lists(tagged(1, "vip", "AD_old", "vip"))
    scene.hear("swept")
    scene.run(5)
    scene.joins(person("alice"))
    scene.run(1)

    assert [step.target.agent for step in scene.creates] == ["greeter"]


def test_more_dispatches_linger_than_attempts_are_kept() -> None:
    """Twelve targets that all say no: what made room is not adopted anew at each look."""
    scene = asked(rule("greeter", *(f"agent{number}" for number in range(12))))
    scene.jobs("AD_1", NO)
    scene.on_create = lambda made: scene.jobs(made, NO)
    scene.run(50)

    assert scene.told(Said.DISPATCH_ADOPTED) == 0


def test_an_adopted_dispatch_whose_agent_failed_before_the_first_look_is_replaced_soon() -> None:
    """A token's agent that crashed at its start leaves a note: that is known at once, not after 30 s."""
    scene = Scene()
    scene.lists(dispatch("AD_token"))
    scene.joins(person())
    broken = scene.comes("AD_token")
    scene.leaves(broken)
    scene.wait(0.1)
    scene.run(5)

    assert scene.attempt().verdict is Verdict.FAILED
    assert len(scene.creates) == 1


def test_an_agent_that_came_and_went_between_two_looks_is_known_by_its_job() -> None:
    """An exception at the start: joined and left within 10 ms, and its job still says JS_RUNNING."""
    scene = asked()
    scene.wait(0.3)
    scene.jobs("AD_1", job("agent-AD_1"))
    scene.hear(LEFT, agent("agent-AD_1", joined_at=scene.now + LIVEKIT_AHEAD, disconnect_reason="CLIENT_INITIATED"))
    scene.run(1)

    assert scene.attempt().verdict is Verdict.FAILED
    assert scene.attempt(2).started_at < NOW + seconds(1.5)


def test_worker_publisher_waits_for_somebody_to_publish() -> None:
    """No job is listed before; then one for each publisher, and several agents of one dispatch are as it should be."""
    scene = Scene(rule(worker_type="publisher"))
    alice = scene.joins(person())
    scene.run(100)
    assert (len(scene.creates), scene.attempt().open) == (1, True)

    scene.goes(alice)
    scene.enter(person(publisher=True))
    scene.hear("swept")
    scene.run(5)
    assert scene.attempt().open
    scene.run(10)
    assert scene.attempt().verdict is Verdict.SILENT

    scene.comes("AD_2", "one")
    scene.comes("AD_2", "two")
    scene.run(120)
    assert sorted(scene.agents()) == ["one", "two"]
    assert (scene.state(), scene.told(Said.AGENT_UNREQUESTED)) == (State.SERVED, 0)
