"""What becomes of an assignment whose agent has left: the table of departures, as stories."""

import pytest

from dispatcher.core.facts import ROOM_FINISHED, Participant
from dispatcher.core.plan import Rest
from dispatcher.core.rules import Rule
from dispatcher.core.session import State
from dispatcher.core.timeline import Verdict
from tests.unit.core.scene import Scene
from tests.unit.core.world import agent, done, job, person, rule


def served(*rules: Rule, identity: str = "", stay: float = 60) -> tuple[Scene, Participant]:
    """Alice's agent has been with her for a while."""
    scene = Scene(*rules)
    scene.joins(person())
    scene.look()
    scene.request()
    one = scene.comes("AD_1", identity)
    scene.run(stay)
    return scene, one


def test_L2_an_agent_that_finished_is_not_replaced() -> None:  # noqa: N802
    """It said so: the assignment is done for those who were there; nothing is owed, its dispatch is left alone."""
    scene, bot = served()
    scene.leaves(done(bot), "CLIENT_INITIATED")
    scene.run(300)

    assert (scene.state(), scene.attempt().verdict, len(scene.creates)) == (State.FINISHED, Verdict.FINISHED, 1)
    assert (scene.session.notes, scene.plan()) == ((), Rest())


@pytest.mark.parametrize("on_finish", ["done", "replace"])
def test_an_agent_that_leaves_without_a_word_is_done_where_the_rule_says_so(on_finish: str) -> None:
    """`on_finish: done`; else it is replaced after `finish_grace`."""
    scene, bot = served(rule(on_finish=on_finish))
    scene.leaves(bot, "CLIENT_INITIATED")
    scene.run(2.9)
    assert len(scene.creates) == 1

    scene.run(0.2)
    assert (scene.state(), len(scene.creates)) == ((State.FINISHED, 1) if on_finish == "done" else (State.REQUESTED, 2))


def test_an_agent_that_somebody_removed_is_not_replaced() -> None:
    """PARTICIPANT_REMOVED is somebody's will."""
    scene, bot = served()
    scene.leaves(bot, "PARTICIPANT_REMOVED")
    scene.run(300)

    assert (scene.state(), scene.attempt().verdict, len(scene.creates)) == (State.FINISHED, Verdict.REMOVED, 1)


def test_somebody_who_joins_later_reopens_a_done_assignment() -> None:
    """Who was there stays done; `joined_at` after it counts, by LiveKit's clock."""
    scene, bot = served()
    scene.joins(person("bob"))
    scene.run(5)
    scene.leaves(done(bot), "CLIENT_INITIATED")
    scene.run(30)
    assert scene.state() is State.FINISHED

    scene.joins(person("carol"))
    scene.run(0.1)
    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 2)


def test_an_agent_that_finishes_in_the_second_in_which_somebody_joined_is_not_asked_for_again() -> None:
    """It hands over to whoever has just come: webhooks bear whole seconds, joinings milliseconds."""
    scene, bot = served()
    scene.now = (scene.now // 1000 + 1) * 1000
    scene.wait(0.6)
    scene.joins(person("supervisor"))
    scene.wait(0.3)
    scene.leaves(done(bot), "CLIENT_INITIATED")
    scene.run(60)

    assert (scene.state(), len(scene.creates)) == (State.FINISHED, 1)


def test_done_holds_for_a_person_of_its_own_and_ends_when_they_come_back() -> None:
    """`per: participant`: Alice is done until she joins again; Bob has his own."""
    scene = Scene(rule("each", per="participant"))
    alice = scene.joins(person())
    scene.run(0.1)
    bot = scene.comes("AD_1")
    scene.run(60)
    scene.leaves(done(bot))
    scene.joins(person("bob"))
    scene.run(0.1)
    assert (scene.state("each/alice"), scene.state("each/bob")) == (State.FINISHED, State.REQUESTED)

    scene.comes("AD_2")
    scene.leaves(alice)
    scene.wait(5)
    scene.joins(person(sid="PA_again"))
    scene.run(0.1)
    assert scene.state("each/alice") is State.REQUESTED


@pytest.mark.parametrize("reason", ["CONNECTION_TIMEOUT", "SIGNAL_CLOSE", "MIGRATION", "SERVER_SHUTDOWN"])
def test_L1_L6_an_agent_that_was_lost_is_replaced_after_1_s(reason: str) -> None:  # noqa: N802
    """Whatever its job says."""
    scene, bot = served()
    scene.leaves(bot, reason)
    scene.run(0.9)
    assert len(scene.creates) == 1

    scene.run(0.2)
    assert scene.attempt().verdict is Verdict.CRASHED
    assert len(scene.creates) == 2


def test_W2_an_agent_whose_leaving_nobody_told_is_found_by_the_sweep() -> None:  # noqa: N802
    """Missed at one look, lost 2 s later."""
    scene, bot = served(stay=61)
    scene.goes(bot)
    scene.run(28)
    assert len(scene.creates) == 1

    scene.run(5)
    assert scene.attempt().verdict is Verdict.CRASHED
    assert len(scene.creates) == 2


def test_L3_an_agent_that_rejoins_within_2_s_is_not_replaced() -> None:  # noqa: N802
    """DUPLICATE_IDENTITY, then the same identity under a new SID."""
    scene, bot = served()
    scene.leaves(bot, "DUPLICATE_IDENTITY")
    scene.run(1)
    scene.joins(agent(bot.identity, sid="PA_new"))
    scene.run(60)

    assert (scene.state(), len(scene.creates), scene.attempt().agent_sid) == (State.SERVED, 1, "PA_new")


def test_L3_an_agent_that_does_not_rejoin_is_replaced() -> None:  # noqa: N802
    """Its job was terminated instead."""
    scene, bot = served()
    scene.leaves(bot, "DUPLICATE_IDENTITY")
    scene.run(4)

    assert scene.attempt().verdict is Verdict.CRASHED
    assert len(scene.creates) == 2


def test_L5_a_crash_loop_uses_its_budget_up() -> None:  # noqa: N802
    """An agent that leaves within 5 s has failed, whatever the reason: backoff, fallback, starved."""
    scene = Scene(rule("greeter", "greeter", "backup", attempts=2))
    scene.joins(person())

    for _ in range(4):
        scene.run(1.5)
        bot = scene.comes(f"AD_{len(scene.creates)}")
        scene.run(2)
        scene.leaves(bot, "CLIENT_INITIATED")
        scene.run(0.1)

    assert [step.target.agent for step in scene.creates] == ["greeter", "greeter", "backup", "backup"]
    assert scene.state() is State.STARVED


def test_an_agent_that_crashes_again_and_again_is_braked() -> None:
    """10 s of stay each: 1, 2, 4, 8, 16 s until the next Create."""
    scene, bot = served(stay=10)
    waits: list[float] = []
    for number in range(2, 7):
        lost_at = scene.now
        scene.leaves(bot, "CONNECTION_TIMEOUT")
        while len(scene.creates) < number:
            scene.run(0.5)
        waits.append((scene.now - lost_at) / 1000)
        bot = scene.comes(f"AD_{number}")
        scene.run(10)

    assert waits == [1, 2, 4, 8, 16]


def test_L4_a_room_that_was_said_to_close_and_did_not_is_served_again() -> None:  # noqa: N802
    """The agent left by ROOM_CLOSED; Alice is there, so it is replaced."""
    scene, bot = served()
    scene.leaves(bot, "ROOM_CLOSED")
    scene.run(4.9)
    assert len(scene.creates) == 1

    scene.run(10)
    assert scene.attempt().verdict is Verdict.CRASHED
    assert len(scene.creates) == 2


def test_a_room_that_closes_costs_no_look() -> None:
    """The agent leaves with it, room_finished follows: nothing is asked of LiveKit any more."""
    scene, bot = served()
    seen_at = scene.session.looked_at
    scene.leaves(person(), "ROOM_DELETED")
    scene.leaves(bot, "ROOM_DELETED")
    scene.run(1, sweep=False)
    scene.hear(ROOM_FINISHED)
    scene.run(60, sweep=False)

    assert (scene.session.final, scene.session.looked_at, scene.plan()) == (True, seen_at, Rest())


def test_a_room_that_closed_and_never_said_so_is_over_by_look() -> None:
    """The agent's leaving was the last that was heard."""
    scene, bot = served()
    scene.room = None
    scene.leaves(bot, "ROOM_CLOSED")
    scene.run(60, sweep=False)

    assert scene.session.finished
    assert len(scene.creates) == 1


def test_an_agent_that_left_an_empty_room_has_ended() -> None:
    """Nobody is served any more; who comes back gets a fresh budget."""
    scene, bot = served()
    scene.leaves(person())
    scene.leaves(bot, "CONNECTION_TIMEOUT")
    scene.run(1)
    assert (scene.attempt().verdict, scene.state()) == (Verdict.ENDED, State.IDLE)

    scene.joins(person(sid="PA_again"))
    scene.run(0.1)
    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 2)


def test_a_lost_agent_that_comes_back_is_the_assignments_again() -> None:
    """Its connection was gone for longer than 2 s: the attempt is reopened if nobody else serves."""
    scene, bot = served()
    scene.leaves(bot, "CONNECTION_TIMEOUT")
    scene.run(0.5)
    assert scene.attempt().verdict is Verdict.CRASHED
    scene.joins(agent(bot.identity, sid="PA_new"))
    scene.run(60)

    assert (scene.state(), len(scene.creates), scene.attempt().open) == (State.SERVED, 1, True)


def test_fixed_identities_recur_before_the_new_job_is_listed() -> None:
    """The crashed bot's successor bears its identity; its job is listed 3 s late, and its dispatch is not deleted."""
    scene, bot = served(identity="bot")
    scene.leaves(bot, "CONNECTION_TIMEOUT")
    scene.run(1.1)
    scene.joins(agent("bot", sid="PA_new"))
    scene.run(3)
    assert "AD_2" in scene.listed
    scene.jobs("AD_2", job("bot"))
    scene.hear("swept")
    scene.run(120)

    assert (scene.state(), scene.attempt(2).agent_sid, len(scene.creates)) == (State.SERVED, "PA_new", 2)


def test_fixed_identities_recur_and_the_webhook_of_the_first_comes_late() -> None:
    """The first bot was found missing by a look; that it left is heard when the second is on its way."""
    scene, bot = served(identity="bot")
    scene.goes(bot)
    scene.hear("swept")
    scene.run(3.5)
    scene.jobs("AD_2", job("bot"))
    scene.leaves(bot, "CONNECTION_TIMEOUT")
    scene.run(0.1)

    assert scene.attempt(2).open


def test_an_agent_that_raised_at_the_start_is_known_when_its_job_is_listed_late() -> None:
    """It came and went at once; its job is listed 5 s later: the look 6 s after asking says so, not that after 12 s."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    scene.leaves(scene.enter(agent("agent-AJ_1")))
    scene.run(4.9)
    scene.jobs("AD_1", job("agent-AJ_1"))
    scene.run(1.5)

    assert scene.attempt().verdict is Verdict.FAILED
