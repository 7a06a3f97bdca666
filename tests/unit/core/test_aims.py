"""Targets that a rule computes: when they are computed anew, when they are pinned, and when there are none."""

import pytest
from msgspec.structs import replace

from dispatcher.core import transitions
from dispatcher.core.assignments import subject_of
from dispatcher.core.audience import OBLIVION, at_once, judge
from dispatcher.core.facts import Participant, Room
from dispatcher.core.pause import pause
from dispatcher.core.plan import Create, Look, Retract, Wait
from dispatcher.core.rules import NAMELESS, Aimed, Rule, Target, aimed
from dispatcher.core.session import State
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Said, Verdict
from dispatcher.explain import diagnosis, narrative
from dispatcher.ledger.record import dump, load
from tests.unit.core.scene import Scene
from tests.unit.core.world import LOBBY, agent, assignment, job, only, person, policy, rule, seconds, tagged

OVERFLOW = Target("overflow")


def named(room: Room, _: Participant | None) -> Aimed:
    """The agent that the room's metadata names, or none."""
    return Aimed((Target(room.metadata),)) if room.metadata else Aimed((), ("missing_key",))


def or_overflow(room: Room, who: Participant | None) -> Aimed:
    """The same, with a fallback."""
    first = named(room, who)
    return Aimed((*first.targets, OVERFLOW), first.failed)


NAMED = Rule(name="greeter", policy=policy(""), aim=named)
FALLING_BACK = replace(NAMED, aim=or_overflow)


def says(scene: Scene, metadata: str) -> None:
    """The room's metadata is set; no webhook tells of it."""
    scene.room = replace(LOBBY, metadata=metadata)


def asked(scene: Scene) -> list[str]:
    """Who has been asked for, in order."""
    return [step.target.agent for step in scene.creates]


@pytest.mark.parametrize(
    ("one", "metadata", "targets"),
    [
        (NAMED, "sales", (Target("sales"),)),
        (NAMED, "", (NAMELESS,)),
        (FALLING_BACK, "sales", (Target("sales"), OVERFLOW)),
        (FALLING_BACK, "", (OVERFLOW,)),
        (rule(), "sales", (Target("greeter"),)),
    ],
)
def test_an_assignment_is_born_with_what_its_rule_gives_now(
    one: Rule, metadata: str, targets: tuple[Target, ...]
) -> None:
    """What cannot be named is left out: on to the fallback; where nothing can be named, nobody is asked for."""
    scene = Scene(one)
    says(scene, metadata)
    scene.enter(person())
    scene.look()

    assert aimed(one, replace(LOBBY, metadata=metadata), None).targets == targets
    assert scene.assignment().policy.targets == targets
    assert scene.told(Said.AGENT_UNNAMED) == (one.aim is not None and not metadata)


def test_w8_metadata_set_after_the_room_has_started_is_seen() -> None:
    """No webhook tells of it: the assignment that nobody could be named for is looked at again, and then asked for."""
    scene = Scene(NAMED)
    scene.joins(person())
    scene.run(1)
    assert (asked(scene), scene.state()) == ([], State.STARVED)
    assert "name no agent" in "".join(diagnosis(scene.session))
    assert any("no agent could be computed for greeter: missing_key" in line for line in narrative(scene.session, 0))
    says(scene, "sales")

    scene.run(31, sweep=False)

    assert asked(scene)[:1] == ["sales"]
    assert scene.state() is State.REQUESTED


def test_w8_targets_are_pinned_by_the_first_create() -> None:
    """Until then each look gives the agent of its moment; from then on all its attempts are at the same one."""
    scene = Scene(NAMED)
    says(scene, "early")
    scene.joins(person())
    scene.look()
    says(scene, "sales")
    scene.look()
    scene.request()
    says(scene, "late")

    scene.run(20)

    assert asked(scene) == ["sales", "sales"]


def test_a_fallback_is_left_for_the_agent_that_can_be_named_now() -> None:
    """Nobody has been asked yet: the rule's own agent comes first again."""
    scene = Scene(FALLING_BACK)
    scene.joins(person())
    scene.look()
    assert scene.assignment().next_target == OVERFLOW
    says(scene, "sales")
    scene.look()

    assert scene.plan() == Create(assignment="greeter", number=1, target=Target("sales"))


def test_an_assignment_without_a_name_never_asks_and_never_spins() -> None:
    """It is looked at every `retry_every`, starved is told once, and no step asks for an agent without a name."""
    scene = Scene(NAMED)
    scene.joins(person())
    scene.run(100, sweep=False)

    assert (asked(scene), scene.spins) == ([], 0)
    assert (scene.told(Said.ASSIGNMENT_STARVED), scene.told(Said.AGENT_UNNAMED)) == (1, 1)
    assert isinstance(scene.plan(), Wait)
    scene.wait(30)
    assert scene.plan() == Look()


def test_a_held_assignment_follows_its_rule_too() -> None:
    """The agent that was named is paused; another is named before any was asked for, and gets the call."""
    scene = Scene(NAMED)
    says(scene, "sales")
    scene.joins(person())
    scene.look()
    scene.session = pause(scene.session, {"sales"}, scene.now)
    assert scene.state() is State.PAUSED
    says(scene, "tutor")
    scene.look()
    scene.session = pause(scene.session, {"sales"}, scene.now)

    assert scene.plan() == Create(assignment="greeter", number=1, target=Target("tutor"))


def test_an_assignment_without_a_name_is_not_held() -> None:
    """It is nobody's pause that keeps its agent away."""
    scene = Scene(NAMED)
    scene.joins(person())
    scene.look()
    before = scene.session

    assert pause(before, {"sales"}, scene.now) == before


def test_nobody_there_is_no_reason_to_look() -> None:
    """The assignment rests; somebody who joins wakes it, with a fresh budget."""
    scene = Scene(NAMED)
    alice = scene.joins(person())
    scene.run(1)
    scene.leaves(alice)
    scene.run(5)
    assert scene.state() is State.IDLE
    says(scene, "sales")
    scene.joins(person("bob"))
    scene.run(1)

    assert asked(scene) == ["sales"]


def test_a_rule_that_no_longer_computes_names_its_agent() -> None:
    """A reload mends what could not be named."""
    scene = Scene(NAMED)
    scene.joins(person())
    scene.run(1)
    scene.rules = (rule("greeter", "sales"),)

    scene.run(31)

    assert asked(scene)[:1] == ["sales"]


def test_i8_an_unnamed_agent_serves_no_assignment_without_a_name() -> None:
    """An unnamed worker's agent has the empty name, and so has the target that stands for none."""
    scene = Scene(NAMED)
    scene.enter(agent("agent-AJ_x", ""))
    scene.joins(person())
    scene.run(1)

    assert scene.state() is State.STARVED


def test_law_10_an_assignment_recalled_by_its_dispatch_has_the_targets_of_now() -> None:
    """The ledger was emptied: what a rule computes is computed for the person who is there."""
    scene = Scene(FALLING_BACK)
    says(scene, "sales")
    scene.enter(person())
    scene.lists(tagged(1, "greeter", "AD_1", "sales", job()))
    scene.enter(agent("agent-AJ_1", "sales"))
    scene.look()

    assert scene.state() is State.SERVED
    assert scene.assignment().policy.targets == (Target("sales"), OVERFLOW)


def test_the_record_of_an_assignment_without_a_name_is_read_again() -> None:
    """A successor goes on where it stood."""
    scene = Scene(NAMED)
    scene.joins(person())
    scene.run(1)

    assert load(dump(scene.session), LOBBY.name, LOBBY.sid) == scene.session


@pytest.mark.parametrize(
    ("one", "there", "whom"),
    [
        (rule(), [], None),
        (rule(), [person("alice"), person("bob")], "alice"),
        (rule(when=only("bob")), [person("alice"), person("bob")], "bob"),
        (rule(when=only("nobody")), [person("alice"), person("bob")], "alice"),
        (rule(kinds=frozenset({"SIP"})), [person("alice"), person("bob", kind="SIP")], "bob"),
        (rule(trigger="room_started"), [person("alice")], None),
    ],
)
def test_an_agent_is_computed_for_the_earliest_whom_the_rule_matches(
    one: Rule, there: list[Participant], whom: str | None
) -> None:
    """Else for the earliest there; a rule for rooms speaks of nobody."""
    audience = at_once(judge(RoomSnapshot(room=LOBBY, participants=tuple(there)), (one,), OBLIVION))
    assert audience is not None

    found = subject_of(replace(assignment(name=one.name), policy=one.policy), audience)

    assert (found.identity if found else None) == whom


CANARY = Target("greeter", "canary")
ON_CANARY = Rule(name="greeter", policy=replace(policy(), targets=(CANARY, OVERFLOW)))


def ignored() -> Scene:
    """A server has made a dispatch without the deployment that it was asked for."""
    scene = Scene(ON_CANARY)
    scene.joins(person())
    scene.look()
    step = scene.ask()
    scene.lists(tagged(1, id_="AD_wrong"))
    scene.session = transitions.misdirected(scene.session, step, scene.now, "AD_wrong")
    return scene


def test_d9_a_deployment_that_was_ignored_is_a_refusal() -> None:
    """On to the next target, and it is told."""
    scene = ignored()

    assert scene.attempt(1).verdict is Verdict.REFUSED
    assert scene.told(Said.DEPLOYMENT_IGNORED) == 1
    assert any("LiveKit ignored the deployment" in line for line in narrative(scene.session, 0))
    assert scene.plan() == Create(assignment="greeter", number=2, target=OVERFLOW)


def test_d9_the_wrong_agent_is_removed_as_soon_as_it_comes() -> None:
    """Whoever serves; and it never counts as serving."""
    scene = ignored()
    scene.comes("AD_wrong", "agent-wrong")
    scene.look()

    assert scene.state() is not State.SERVED
    assert scene.plan() == Retract(assignment="greeter", number=1, agent_sid="PA_agent-wrong")
    scene.run(120)
    assert scene.agents() == []
    assert "AD_wrong" not in scene.listed


def test_d9_its_dispatch_stays_listed_for_a_minute() -> None:
    """A launch already queued survives a deletion, and nothing else would say whose its agent is."""
    scene = ignored()
    scene.on_create = scene.comes
    scene.run(50)
    assert "AD_wrong" in scene.listed
    scene.run(20)
    assert "AD_wrong" not in scene.listed
    assert scene.state() is State.SERVED
    assert scene.now > seconds(60)
