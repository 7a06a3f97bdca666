"""For whom an assignment is done when its agent has left: the table of newcomers, and refreshes as stories."""

import pytest
from msgspec.structs import replace

from dispatcher.core.audience import Audience
from dispatcher.core.closing import UNTOLD
from dispatcher.core.departures import HERE_MAX, Attendee, Departed
from dispatcher.core.facts import LEFT, Ms, Participant
from dispatcher.core.leaving import missed, newcomers, remembered
from dispatcher.core.rules import Rule
from dispatcher.core.session import Assignment, State
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Said, Verdict
from dispatcher.core.timing import DEPARTED_MS
from dispatcher.core.verdicts import Departure
from tests.unit.core.scene import Scene
from tests.unit.core.world import (
    LIVEKIT_AHEAD,
    LOBBY,
    NOW,
    assignment,
    attempt,
    done,
    person,
    policy,
    rule,
    seconds,
    session,
)

GOODBYE = NOW + seconds(300)


def left(stay: float = 60, at: Ms = GOODBYE) -> Departure:
    """An agent said goodbye."""
    came = at - seconds(stay)
    return Departure(verdict=Verdict.LEFT, stayed=seconds(stay), joined_at=came, left_at=at, why=UNTOLD, sid="PA_bot")


def came(identity: str, before: float) -> Participant:
    """Somebody joined so many seconds before the goodbye."""
    return person(identity, joined_at=GOODBYE - seconds(before))


ALICE_WENT = Departed(sid="PA_first", identity="alice", heard_at=NOW)


@pytest.mark.parametrize(
    ("there", "goodbye", "departed", "new"),
    [
        pytest.param([came("alice", 90)], left(), [], [], id="was-there-first"),
        pytest.param([came("alice", 60)], left(), [], [], id="came-with-the-agent"),
        pytest.param([came("alice", 7)], left(stay=6), [], [], id="the-agent-stayed-for-a-moment-only"),
        pytest.param([came("bob", 10)], left(), [], [], id="came-later-and-was-there-for-10-s"),
        pytest.param([came("bob", 9.9)], left(), [], ["bob"], id="came-when-nobody-was-there-any-more"),
        pytest.param([came("alice", 90), came("bob", 0.3)], left(), [], [], id="came-while-somebody-was-there"),
        pytest.param([came("alice", 90), came("bob", -0.1)], left(), [], ["bob"], id="came-after-it"),
        pytest.param([came("alice", 1)], left(), [ALICE_WENT], ["alice"], id="the-page-was-loaded-again"),
        pytest.param([came("bob", 90), came("alice", 1)], left(), [ALICE_WENT], ["alice"], id="the-same-beside-bob"),
        pytest.param([came("bob", 90), came("alice", 20)], left(), [ALICE_WENT], [], id="and-met-the-agent-since"),
        pytest.param([came("bob", 90), came("cal", 1)], left(), [ALICE_WENT], [], id="somebody-else-went"),
        pytest.param([came("bob", 9)], left(at=0), [], [], id="nobody-told-when-it-left"),
        pytest.param([], left(), [ALICE_WENT], [], id="nobody-is-there"),
    ],
)
def test_who_is_new(there: list[Participant], goodbye: Departure, departed: list[Departed], new: list[str]) -> None:
    """Whoever came when all whom the agent had met were gone, came back, or came after it."""
    assert [one.identity for one in newcomers(there, goodbye, departed)] == new


def test_somebody_still_connected_has_not_come_back() -> None:
    """A late webhook of her own connection is not about another one."""
    alice = came("alice", 1)
    went = Departed(sid=alice.sid, identity="alice", heard_at=NOW)

    assert newcomers([came("bob", 90), alice], left(), [went]) == []


def test_who_has_gone_is_remembered_for_a_moment() -> None:
    """For as long as a meeting takes, and the way of a webhook."""
    before, nobody = session(departed=(ALICE_WENT,)), Audience(room=LOBBY)

    assert remembered(before, nobody, NOW + DEPARTED_MS - 1).departed == (ALICE_WENT,)
    assert remembered(before, nobody, NOW + DEPARTED_MS).departed == ()


CROWD = tuple(person(f"guest-{number}", joined_at=GOODBYE + number) for number in range(20))


@pytest.mark.parametrize(
    ("there", "known"),
    [
        pytest.param(assignment(attempt()), HERE_MAX, id="they-share-an-agent"),
        pytest.param(assignment(), HERE_MAX, id="they-wait-for-one"),
        pytest.param(assignment(policy=policy(kinds=frozenset({"SIP"}))), 0, id="it-is-for-others"),
        pytest.param(assignment(policy=policy(per="participant"), identity="guest-0"), 0, id="each-has-one"),
        pytest.param(assignment(finished_at=GOODBYE), 0, id="it-is-done"),
        pytest.param(assignment(remnant=True), 0, id="nobody-wants-it"),
    ],
)
def test_who_is_there_is_remembered_while_an_agent_may_leave_them(there: Assignment, known: int) -> None:
    """The latest of them: a record does not grow with the audience."""
    after = remembered(session(there), Audience(room=LOBBY, people=CROWD), NOW)

    assert after.here == tuple((one.sid, one.identity) for one in CROWD[20 - known :])


def test_who_is_missed_by_a_look_has_gone_once() -> None:
    """A webhook that has said so before is not repeated."""
    here = (Attendee("PA_first", "alice"), Attendee("PA_bob", "bob"), Attendee("PA_cal", "cal"))
    looked = RoomSnapshot(room=LOBBY, participants=(person("bob", active=False),))
    after = missed(session(here=here, departed=(ALICE_WENT,)), looked, NOW + 1)

    assert after.departed == (ALICE_WENT, Departed(sid="PA_cal", identity="cal", heard_at=NOW + 1))


def served(*rules: Rule, also: str = "", stay: float = 60) -> tuple[Scene, Participant]:
    """Alice's agent has been with her for a while, with somebody else there all along."""
    scene = Scene(*rules)
    scene.joins(person())
    if also:
        scene.joins(person(also))
    scene.look()
    scene.request()
    bot = scene.comes("AD_1")
    scene.run(stay)
    return scene, bot


ORDERS = pytest.mark.parametrize("order", ["left, joined", "joined, left", "joined alone", "left alone"])


def reloads(scene: Scene, order: str, bot: Participant) -> None:
    """Alice loads her page again; 1 s later the agent, bound to her first connection, says goodbye."""
    first = next(one for one in scene.present.values() if one.identity == "alice")
    scene.goes(first)
    gone = replace(first, disconnect_reason="DUPLICATE_IDENTITY" if order.startswith("joined") else "CLIENT_INITIATED")
    if order in {"left, joined", "left alone"}:
        scene.hear(LEFT, gone)
    scene.wait(0.5)
    back = person(sid=f"PA_again_{scene.now}")
    scene.enter(back) if order == "left alone" else scene.joins(back)
    if order == "joined, left":
        scene.hear(LEFT, gone)
    scene.run(1)
    scene.leaves(bot)
    scene.run(0.1)


@ORDERS
@pytest.mark.parametrize("on_finish", ["done", "replace"])
def test_l10_whoever_loads_the_page_again_has_an_agent_at_once(on_finish: str, order: str) -> None:
    """The agent says goodbye to a connection that is gone: nobody whom it had met is there."""
    scene, bot = served(rule(on_finish=on_finish))
    reloads(scene, order, bot)

    assert (scene.attempt().verdict, scene.state(), len(scene.creates)) == (Verdict.ENDED, State.REQUESTED, 2)


@ORDERS
@pytest.mark.parametrize(("on_finish", "verdict"), [("done", Verdict.FINISHED), ("replace", Verdict.LEFT)])
def test_l10_the_same_beside_somebody_who_was_there_all_along(on_finish: str, verdict: Verdict, order: str) -> None:
    """Who comes back is new, whoever else is there."""
    scene, bot = served(rule(on_finish=on_finish), also="bob")
    reloads(scene, order, bot)

    assert (scene.attempt().verdict, scene.state(), len(scene.creates)) == (verdict, State.REQUESTED, 2)


def test_l10_who_has_come_back_is_new_however_late_a_look_finds_out() -> None:
    """The process died in that moment: the look comes half a minute later."""
    scene, bot = served(rule(on_finish="done"), also="bob")
    alice = next(one for one in scene.present.values() if one.identity == "alice")
    scene.leaves(alice)
    scene.joins(person(sid="PA_again"))
    scene.run(1)
    scene.leaves(bot)
    scene.wait(30)
    scene.run(0.1)

    assert (scene.state(), len(scene.creates), scene.session.departed) == (State.REQUESTED, 2, ())


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_l10_who_comes_within_the_second_in_which_the_agent_was_removed_has_another(who: str) -> None:
    """Webhooks bear whole seconds. A look has shown who was there without it: they are others, or have come back."""
    scene, bot = served(also="bob")
    scene.leaves(bot, "PARTICIPANT_REMOVED")
    scene.run(0.1)
    assert scene.state() is State.FINISHED

    again = person(who, sid="PA_again", joined_at=scene.now + LIVEKIT_AHEAD)
    assert again.joined_at // 1000 == (scene.now - 100 + LIVEKIT_AHEAD) // 1000
    scene.goes(person(who))
    scene.joins(again)
    scene.run(0.1)
    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 2)


def test_l10_whoever_loads_the_page_again_and_again_has_an_agent_each_time() -> None:
    """No goodbye of these counts against the assignment, however short the stays."""
    scene, bot = served(stay=8)
    for number in range(2, 6):
        reloads(scene, "left, joined", bot)
        bot = scene.comes(f"AD_{number}")
        scene.run(8)

    assert (scene.state(), len(scene.creates), scene.assignment().goodbyes) == (State.SERVED, 5, 0)


def test_l11_a_deploy_is_no_end() -> None:
    """The worker was stopped, and its agent left as after a goodbye: another comes after `finish_grace`."""
    scene, bot = served(stay=600)
    scene.leaves(bot)
    scene.run(2.9)
    assert (scene.state(), len(scene.creates), scene.attempt().verdict) == (State.WAITING, 1, Verdict.LEFT)

    scene.run(0.2)
    assert (len(scene.creates), scene.assignment().goodbyes) == (2, 0)


def test_l11_whoever_hangs_up_when_the_agent_goes_is_not_asked_for_again() -> None:
    """Front ends hang up, rooms are deleted: that is what the grace is for."""
    scene, bot = served()
    scene.leaves(bot)
    scene.run(1)
    scene.leaves(person())
    scene.run(60)

    assert (scene.state(), len(scene.creates)) == (State.IDLE, 1)


def test_l11_who_comes_within_the_grace_does_not_wait() -> None:
    """They are new, and have met no agent."""
    scene, bot = served(also="bob")
    scene.leaves(bot)
    scene.run(1.5)
    scene.joins(person("carol"))
    scene.run(0.1)

    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 2)


def test_l11_a_lingering_visitor_is_not_greeted_for_ever() -> None:
    """Twice in a row the agent left soon after it had come: done, and told as such; until somebody new comes."""
    scene, bot = served(stay=8)
    scene.leaves(bot)
    scene.run(4)
    second = scene.comes("AD_2")
    scene.run(30)
    scene.leaves(second)
    scene.run(300)
    ends = [entry for entry in scene.session.timeline if entry.said is Said.ATTEMPT_ENDED]
    assert [(entry.verdict, entry.done) for entry in ends] == [
        (Verdict.LEFT, ""),
        (Verdict.FINISHED, "left again"),
    ]
    assert (scene.state(), len(scene.creates)) == (State.FINISHED, 2)

    scene.joins(person("bob"))
    scene.run(0.1)
    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 3)


def test_l11_leavings_that_are_not_in_a_row_do_not_add_up() -> None:
    """An agent that stayed for a minute in between, or was lost, shows that it is no loop of goodbyes."""
    scene, bot = served(stay=8)
    for number, (reason, stay) in enumerate([("CLIENT_INITIATED", 61), ("CLIENT_INITIATED", 8)] * 3, start=2):
        scene.leaves(bot, reason)
        scene.run(4)
        bot = scene.comes(f"AD_{number}")
        scene.run(stay)

    assert (scene.state(), len(scene.creates)) == (State.SERVED, 7)


def test_what_an_agent_said_in_the_last_look_counts_where_no_webhook_told_of_its_leaving() -> None:
    """The look that saw it there is followed by one that does not, 2 s later by a verdict."""
    scene, bot = served()
    scene.enter(done(bot))
    scene.hear("swept")
    scene.run(0.1)
    assert scene.attempt().done == "bye"

    scene.goes(bot)
    scene.run(120)
    assert (scene.state(), scene.attempt().verdict, len(scene.creates)) == (State.FINISHED, Verdict.FINISHED, 1)
    scene.joins(person("bob"))
    scene.run(0.1)
    assert len(scene.creates) == 2
