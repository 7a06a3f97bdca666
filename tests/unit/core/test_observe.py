"""What one look means for what was there: rooms, people, who is served, who is told of it."""

import pytest
from msgspec.structs import replace

from dispatcher.core import observe as observing
from dispatcher.core.audience import people
from dispatcher.core.facts import INVITED, JOINED, LEFT, ROOM_STARTED, Ms, Participant
from dispatcher.core.observe import observe
from dispatcher.core.plan import Look, Rest, Wait
from dispatcher.core.rules import Rule
from dispatcher.core.session import State
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Said
from tests.unit.core.scene import Scene
from tests.unit.core.world import (
    LIVEKIT_AHEAD,
    LOBBY,
    NO,
    NOW,
    TAGS,
    agent,
    dispatch,
    job,
    only,
    person,
    rule,
    seconds,
    session,
)

BACKED_UP = rule("greeter", "greeter", "backup")


def asked(*rules: Rule) -> Scene:
    """Alice has joined, and the first Create was answered."""
    scene = Scene(*rules)
    scene.joins(person())
    scene.look()
    scene.request()
    return scene


def served(*rules: Rule) -> Scene:
    """Alice has an agent."""
    scene = asked(*rules)
    scene.comes("AD_1")
    scene.look()
    return scene


def test_an_ordinary_join() -> None:
    """One look, one Create, one look that sees the agent; then nothing is owed."""
    scene = Scene()
    scene.joins(person())
    assert scene.plan(fresh=False) == Look()

    scene.look()
    scene.request()
    assert scene.plan() == Wait(NOW + seconds(2))

    scene.wait(0.3)
    scene.comes("AD_1")
    scene.look()
    assert scene.state() is State.SERVED
    assert scene.plan() == Rest()
    assert [entry.said for entry in scene.session.timeline] == [
        Said.ASSIGNMENT_CREATED,
        Said.DISPATCH_REQUESTED,
        Said.AGENT_JOINED,
    ]


def test_time_to_agent_is_told_once_for_an_assignment() -> None:
    """From the earliest person's joining to the agent's, by LiveKit's clock; a replacement's is another matter."""
    scene = Scene()
    scene.joins(person())
    scene.wait(2)
    scene.joins(person("bob"))
    scene.look()
    scene.request()
    scene.wait(1)
    crashed = scene.comes("AD_1")
    scene.run(60)
    scene.leaves(crashed, "CONNECTION_TIMEOUT")
    scene.run(2)
    scene.comes("AD_2")
    scene.run(1)

    assert [entry.took for entry in scene.session.timeline if entry.said is Said.AGENT_JOINED] == [seconds(3), None]


def calling(scene: Scene, rang: float, name: str = "caller") -> Participant:
    """Somebody who joins by telephone now, and whose call has come in so many seconds ago."""
    invited = scene.now + LIVEKIT_AHEAD - seconds(rang)
    return person(name, kind="SIP", attributes={INVITED: str(invited)})


def joins_told(scene: Scene) -> list[tuple[Ms | None, Ms | None]]:
    """Since the first person's joining, and since their INVITE."""
    told = [entry for entry in scene.session.timeline if entry.said is Said.AGENT_JOINED]
    return [(entry.took, entry.since_invite) for entry in told]


def test_who_calls_has_waited_since_the_call_came_in() -> None:
    """Ringing is told beside the time since the joining, of the first agent alone."""
    scene = Scene()
    scene.joins(calling(scene, 4))
    scene.look()
    scene.request()
    scene.wait(1)
    crashed = scene.comes("AD_1")
    scene.run(60)
    scene.leaves(crashed, "CONNECTION_TIMEOUT")
    scene.run(2)
    scene.comes("AD_2")
    scene.run(1)

    assert joins_told(scene) == [(seconds(1), seconds(5)), (None, None)]


@pytest.mark.parametrize("first", ["browser", "telephone"])
def test_only_who_waited_first_says_when_the_wait_began(first: str) -> None:
    """A call that comes in later says nothing of it, nor does one whose time cannot be true."""
    scene = Scene()
    scene.joins(person("first") if first == "browser" else calling(scene, 4_000, "first"))
    scene.wait(1)
    scene.joins(calling(scene, 4))
    scene.look()
    scene.request()
    scene.wait(1)
    scene.comes("AD_1")
    scene.look()

    assert joins_told(scene) == [(seconds(2), None)]


def test_a_room_s_own_assignment_waits_from_its_first_caller_on() -> None:
    """The rule was for the room, before anybody had called."""
    scene = Scene(rule(trigger="room_started"))
    scene.hear(ROOM_STARTED)
    scene.look()
    scene.joins(calling(scene, 3))
    scene.look()
    scene.request()
    scene.wait(1)
    scene.comes("AD_1")
    scene.look()

    assert joins_told(scene) == [(seconds(1), seconds(4))]


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(person(active=False), id="not-ACTIVE"),
        pytest.param(person(hidden=True), id="T1-hidden"),
        pytest.param(person(granted=True), id="T1-the-grant-of-an-agent"),
        pytest.param(person(recorder=True), id="T1-the-grant-of-a-recorder"),
        pytest.param(person(kind="EGRESS"), id="T1-egress"),
        pytest.param(person(kind="INGRESS"), id="T1-ingress"),
        pytest.param(agent(name=""), id="I8-an-unnamed-agent"),
    ],
)
def test_T1_nobody_to_be_served_is_there(who: Participant) -> None:  # noqa: N802
    """No assignment, no Create."""
    scene = Scene()
    scene.enter(who)
    scene.look()

    assert scene.session.assignments == ()


def test_people_come_in_the_order_they_joined() -> None:
    """However LiveKit lists them."""
    late, early = person("late", joined_at=NOW + 1), person("early", joined_at=NOW)

    assert people(RoomSnapshot(room=LOBBY, participants=(late, agent(), early))) == [early, late]


def test_a_person_of_another_kind_attends_no_assignment() -> None:
    """The assignment of a phone rule is idle when only a browser is there."""
    scene = Scene(rule(kinds=frozenset({"SIP"})))
    caller = scene.joins(person("caller", kind="SIP"))
    scene.look()
    scene.leaves(caller)
    scene.joins(person("supervisor"))
    scene.look()

    assert scene.state() is State.IDLE
    assert scene.plan() == Rest()


def test_an_assignment_for_each_is_attended_by_its_own_person() -> None:
    """`per: participant`: who leaves is waited for no longer, who stays is."""
    scene = Scene(rule("each", per="participant"))
    scene.joins(person("alice"))
    bob = scene.joins(person("bob"))
    scene.look()
    scene.leaves(bob)
    scene.look()

    assert (scene.state("each/alice"), scene.state("each/bob")) == (State.WAITING, State.IDLE)


def test_I7_two_assignments_of_a_session_get_their_agents_side_by_side() -> None:  # noqa: N802
    """`continue`: both are asked for on the same look, and neither is surplus."""
    scene = Scene(rule("vip", when=only("alice"), go_on=True), rule())
    scene.joins(person())
    scene.look()
    scene.request()
    scene.request()
    scene.comes("AD_1")
    scene.comes("AD_2")
    scene.run(120)

    assert (scene.state("vip"), scene.state("greeter")) == (State.SERVED, State.SERVED)
    assert len(scene.creates) == len(scene.agents()) == 2


def test_two_fallbacks_of_one_identity_do_not_mix() -> None:
    """An assignment served is not disturbed by another assignment's trouble."""
    scene = Scene(rule("vip", when=only("alice"), go_on=True), BACKED_UP)
    scene.joins(person())
    scene.look()
    scene.request()
    scene.request()
    scene.comes("AD_1")
    scene.jobs("AD_2", NO)
    scene.run(2)

    assert [step.target.agent for step in scene.creates] == ["vip", "greeter", "backup"]
    assert scene.state("vip") is State.SERVED


@pytest.mark.parametrize("heard", [True, False], ids=["webhook-and-look", "look-alone"])
def test_a_room_not_listed_is_missed_first_and_over_5_s_later(heard: bool) -> None:
    """Nothing is asked for meanwhile; a second look must say the same, and one that lists it undoes it."""
    scene = Scene()
    scene.joins(person())
    scene.room = None
    scene.look()
    if heard:
        scene.joins(person("bob"))
        scene.look()
    assert scene.plan() == Wait(NOW + seconds(0.5))  # for whom the webhook named; 5 s after the first look it is over
    assert scene.told(Said.ROOM_UNLISTED) == 1

    scene.wait(5)
    scene.look()
    assert scene.session.finished
    assert not scene.session.final
    assert scene.plan() == Rest()
    scene.look()
    assert scene.told(Said.ROOM_FINISHED) == 1

    scene.room = LOBBY
    scene.look()
    assert not scene.session.finished


def test_a_room_listed_again_goes_on_where_it_was() -> None:
    """Q1: one look that did not list it proves nothing."""
    scene = served()
    listed, scene.room = scene.room, None
    scene.hear("swept")
    scene.look()
    scene.room = listed
    scene.run(60)

    assert scene.state() is State.SERVED
    assert len(scene.creates) == 1


def test_a_room_over_by_look_that_the_sweep_lists_is_served_again() -> None:
    """Only room_finished is final; its agent, still there, is nobody's second."""
    scene = served()
    listed, scene.room = scene.room, None
    scene.hear("swept")
    scene.run(10)
    assert scene.session.finished

    scene.room = listed
    scene.hear("swept")
    scene.run(60)
    assert scene.state() is State.SERVED
    assert len(scene.creates) == 1


def test_an_agent_whose_job_is_not_listed_yet_serves_by_name() -> None:
    """It is not told as served before its job says whose it is."""
    scene = asked()
    scene.joins(agent("agent-AJ_1"))
    scene.look()
    assert scene.state() is State.SERVED
    assert scene.told(Said.AGENT_JOINED) == 0
    assert scene.plan() == Wait(NOW + seconds(2))

    scene.wait(2)
    scene.jobs("AD_1", job("agent-AJ_1"))
    scene.look()
    assert scene.attempt().agent_sid == "PA_agent-AJ_1"
    assert not scene.assignment().served_by_name
    assert scene.plan() == Rest()


def test_an_agent_by_name_is_recomputed_at_each_look() -> None:
    """Once it is gone the assignment waits again."""
    scene = Scene()
    stranger = scene.enter(agent("stranger"))
    scene.joins(person())
    scene.look()
    assert (scene.state(), scene.assignment().open) == (State.SERVED, ())

    scene.leaves(stranger)
    scene.look()
    assert scene.state() is State.WAITING


def test_one_agent_by_name_serves_one_assignment() -> None:
    """`per: participant`: the second person still waits."""
    scene = Scene(rule("each", "greeter", per="participant"))
    scene.joins(person("alice"))
    scene.joins(person("bob"))
    scene.joins(agent("stranger"))
    scene.look()

    assert (scene.state("each/alice"), scene.state("each/bob")) == (State.SERVED, State.WAITING)


def test_an_agent_by_name_is_of_the_target_asked() -> None:
    """A fallback's agent does not answer for an attempt at the first target."""
    scene = asked(BACKED_UP)
    scene.joins(agent("stranger", "backup"))
    scene.look()

    assert scene.state() is State.REQUESTED


def test_an_agent_by_name_serves_somebody_who_waits() -> None:
    """Alice has left; the late agent of Bob's attempt is not counted as hers."""
    scene = Scene(rule("each", "greeter", per="participant"))
    alice = scene.joins(person("alice"))
    scene.look()
    scene.leaves(alice)
    scene.joins(person("bob"))
    scene.look()
    scene.request()
    scene.joins(agent("late"))
    scene.look()

    assert (scene.state("each/alice"), scene.state("each/bob")) == (State.IDLE, State.SERVED)


def test_D3_a_launch_that_survived_keeps_another_from_being_asked_for_for_a_while() -> None:  # noqa: N802
    """Its dispatch is gone, so nobody can say whose it is: it serves by name, as strangers do."""
    scene = asked()
    scene.listed.clear()
    scene.joins(agent("survivor"))
    scene.run(29.9)
    assert (scene.state(), len(scene.creates)) == (State.SERVED, 1)

    scene.run(0.2)
    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 2)


def test_I8_an_agent_nobody_asked_for_is_reported_after_10_s_once() -> None:  # noqa: N802
    """Looked at after 2, 6 and 10 s, as its job may be listed late; law 13: never removed."""
    scene = served()
    scene.joins(agent("unnamed", ""))
    scene.run(9)
    assert scene.told(Said.AGENT_UNREQUESTED) == 0

    scene.run(600)
    assert scene.told(Said.AGENT_UNREQUESTED) == 1
    assert sorted(scene.agents()) == ["agent-AD_1", "unnamed"]


def test_a_second_agent_nobody_asked_for_is_reported_too() -> None:
    """Each for its own 10 s."""
    scene = served()
    scene.joins(agent("one", "one"))
    scene.run(60)
    scene.joins(agent("two", "two"))
    scene.run(60)

    assert [entry.agent for entry in scene.session.timeline if entry.said is Said.AGENT_UNREQUESTED] == [
        "one",
        "one, two",
    ]


def test_an_unattributed_agent_that_leaves_is_watched_no_longer() -> None:
    """No look is owed for it."""
    scene = served()
    scene.leaves(scene.joins(agent("stranger", "stranger")))
    scene.look()

    assert (scene.session.unattributed, scene.session.unattributed_since, scene.plan()) == ((), 0, Rest())


def test_an_avatar_is_neither_an_agent_nor_somebody() -> None:
    """It publishes on behalf of an agent that is there itself."""
    scene = served()
    scene.joins(agent("avatar", attributes={"lk.publish_on_behalf": "agent-AD_1"}))
    scene.run(60)

    assert scene.told(Said.AGENT_UNREQUESTED) == 0


@pytest.mark.parametrize("name", [JOINED, LEFT])
def test_a_served_rooms_audience_costs_no_look(name: str) -> None:
    """P1: a thousand people come and go, and nothing is owed."""
    scene = served()
    before = scene.session
    for number in range(1000):
        scene.hear(name, person(f"p{number}"))

    assert replace(scene.session, departed=()) == before
    assert scene.plan() == Rest()


def test_how_long_somebody_has_waited_is_known() -> None:
    """From the look that first showed a person and no agent, until there is one."""
    scene = asked()
    assert scene.assignment().waiting_since == NOW

    scene.wait(5)
    scene.look()
    assert scene.assignment().waiting_since == NOW

    scene.comes("AD_1")
    scene.look()
    assert scene.assignment().waiting_since == 0


def test_W8_an_assignment_without_rule_keeps_its_policy() -> None:  # noqa: N802
    """A reload changes nothing for an assignment that is born."""
    scene = asked()
    scene.rules = ()
    scene.run(13)

    assert [step.number for step in scene.creates] == [1, 2]


def test_a_look_seen_twice_tells_once() -> None:
    """Running it twice on the same look changes nothing, the timeline included."""
    scene = served()
    before = scene.session

    assert scene.look() == before


def test_law_5_a_foreign_dispatch_counts_in_the_very_look_that_ends_our_attempt() -> None:
    """Ours was rejected, the app has brought the fallback: nobody is asked on top of it."""
    scene = asked(BACKED_UP)
    scene.jobs("AD_1", NO)
    scene.lists(dispatch("AD_app", "backup"))
    scene.comes("AD_app")
    scene.run(10)

    assert scene.agents() == ["agent-AD_app"]
    assert len(scene.creates) == 1


@pytest.mark.parametrize(("most", "cut_off"), [(1, 1), (2, 0)], ids=["no-pass-that-changes-nothing", "enough"])
def test_a_look_whose_judging_finds_no_end_is_told(most: int, cut_off: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last pass has to change nothing; where none of those allowed does, the timeline says so, once a look."""
    monkeypatch.setattr(observing, "PASSES_MAX", most)
    here = RoomSnapshot(room=LOBBY, participants=(person(),))
    after = observe(session(), here, (rule(),), tags=TAGS, now=NOW)

    assert [entry.said for entry in after.timeline].count(Said.PASSES_EXCEEDED) == cut_off
    assert (after.timeline[-1].said is Said.PASSES_EXCEEDED) == bool(cut_off)
    assert after.assignments[0].state is State.WAITING
