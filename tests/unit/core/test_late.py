"""Facts that come late: metadata, attributes and visibility that no webhook tells of, and lists that lag behind."""

import pytest
from msgspec.structs import replace

from dispatcher.core import late
from dispatcher.core.drive import Drive, Terms
from dispatcher.core.effects import Observe
from dispatcher.core.facts import JOINED, ROOM_STARTED, Participant, Room
from dispatcher.core.plan import Rest, Wait
from dispatcher.core.rules import Aimed, Rule, Target
from dispatcher.core.session import State
from dispatcher.core.timeline import Said
from tests.unit.core.scene import Scene
from tests.unit.core.world import LIVEKIT_AHEAD, LOBBY, TAGS, agent, person, policy, rule, seconds


def vip(_: Room, one: Participant | None) -> bool:
    """The condition of a rule that reads metadata."""
    return one is not None and one.metadata == "vip"


VIPS = replace(rule(when=vip), late=True)
LOBBY_ONLY = rule(when=lambda room, _: room.name == "elsewhere")


def looks(scene: Scene, span: float) -> list[float]:
    """When, in seconds from now, the session is looked at, as nothing else happens."""
    began, seen = scene.now, []
    while scene.now < began + seconds(span):
        before = scene.session.looked_at
        scene.run(0.1, sweep=False)
        if scene.session.looked_at != before:
            seen.append(round((scene.session.looked_at - began) / 1000, 1))
    return seen


def test_w13_metadata_set_after_somebody_joined_is_seen_within_seconds() -> None:
    """No webhook tells of it; the looks after 1, 2, 4 and 8 s do."""
    scene = Scene(VIPS)
    alice = scene.joins(person())
    scene.run(2.5)
    assert scene.session.assignments == ()

    scene.enter(replace(alice, metadata="vip"))
    scene.run(1.6)
    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 1)


def test_w13_a_look_says_that_it_is_for_facts_that_come_late() -> None:
    """So they can be counted; one that a webhook asks for is none of them."""
    scene = Scene(VIPS)
    scene.joins(person())
    assert not late.due(scene.session, scene.now)
    scene.run(0.5)
    waiting = scene.session
    assert [late.due(waiting, waiting.looked_at + after) for after in (999, 1_000, 7_999)] == [False, True, True]
    assert not late.due(replace(waiting, stale=True), waiting.looked_at + 1_000)

    drive = Drive(waiting, (), Terms(tags=TAGS, rules=(VIPS,)), waiting.looked_at + 1_000)
    assert next(drive.run()) == Observe(late=True)


def test_w13_looks_at_facts_that_may_change_come_to_an_end() -> None:
    """Then the sweep looks in."""
    scene = Scene(VIPS)
    scene.joins(person())

    assert looks(scene, 30) == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert scene.plan() == Rest()


def test_w13_who_joins_meanwhile_is_looked_at_as_long() -> None:
    """By a series of looks from their own joining on."""
    scene = Scene(VIPS)
    scene.joins(person())
    scene.run(3)
    scene.joins(person("bob"))

    assert looks(scene, 30)[-2:] == [5.0, 8.0]


@pytest.mark.parametrize(
    ("rules", "who"),
    [
        pytest.param(LOBBY_ONLY, person(), id="the-rule-reads-what-does-not-change"),
        pytest.param(VIPS, person(kind="EGRESS"), id="not-of-the-rules-kinds"),
        pytest.param(VIPS, person(recorder=True), id="nobody-to-wait-for"),
        pytest.param(VIPS, agent("stranger", name="stranger"), id="an-agent"),
    ],
)
def test_nothing_is_looked_at_again_where_it_cannot_matter(rules: Rule, who: Participant) -> None:
    """One look at most, or those at an agent that nobody asked for."""
    scene = Scene(rules)
    scene.joins(who)
    scene.run(0.1)

    assert (scene.session.undecided_since, scene.session.unseen_sid) == (0, "")


def test_w13_a_served_room_is_looked_at_no_more() -> None:
    """Its one agent of all `per: room` rules is there."""
    scene = Scene(VIPS)
    scene.joins(person(metadata="vip"))
    scene.run(0.1)
    scene.comes("AD_1")
    scene.run(0.1)
    scene.joins(person("bob"))

    assert looks(scene, 25) == []


def test_w13_who_becomes_visible_is_served() -> None:
    """A supervisor listens first, and then speaks."""
    scene = Scene(rule())
    eve = scene.joins(person("eve", hidden=True))
    scene.run(3.5)
    assert scene.session.assignments == ()

    scene.enter(replace(eve, hidden=False))
    scene.run(0.6)
    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 1)


def test_w13_a_name_that_can_be_computed_late_is_asked_for_within_seconds() -> None:
    """Not after `retry_every` alone."""
    names = replace(
        rule(), policy=policy(""), aim=lambda room, _: Aimed((Target(room.metadata),) if room.metadata else ())
    )
    scene = Scene(names)
    scene.joins(person())
    scene.run(2.5)
    scene.room = replace(LOBBY, metadata="sales")
    scene.run(1.6)

    assert [step.target.agent for step in scene.creates] == ["sales"]


def test_w14_a_person_whom_no_list_shows_yet_is_looked_for_again() -> None:
    """The webhook ran ahead of LiveKit's list."""
    scene = Scene()
    scene.hear(JOINED, person(joined_at=scene.now + LIVEKIT_AHEAD))
    scene.run(0.7)
    assert scene.creates == []

    scene.enter(person())
    scene.run(0.4)
    assert (scene.state(), len(scene.creates)) == (State.REQUESTED, 1)


def test_w14_whom_no_list_ever_shows_is_looked_for_no_more() -> None:
    """They joined, and were gone again before the first look."""
    scene = Scene()
    scene.hear(JOINED, person())

    assert looks(scene, 25) == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert (scene.session.unseen_sid, scene.plan()) == ("", Rest())


@pytest.mark.parametrize("who", [None, person("bob")])
def test_w14_no_room_is_over_by_a_list_that_a_younger_webhook_contradicts(who: Participant | None) -> None:
    """The room was not listed; 3 s later a webhook says that it lives, and it is listed after 7 s."""
    scene = Scene(rule(trigger="room_started") if who is None else rule())
    scene.room = None
    scene.hear("swept")
    scene.run(3, sweep=False)
    scene.hear(ROOM_STARTED if who is None else JOINED, who)
    scene.run(4, sweep=False)
    assert not scene.session.finished

    scene.room = LOBBY
    scene.enter(person("bob"))
    scene.run(1.1, sweep=False)
    assert (scene.session.finished, len(scene.creates), scene.told(Said.ROOM_FINISHED)) == (False, 1, 0)


def test_w14_a_room_that_is_gone_is_over_all_the_same() -> None:
    """5 s after the last that was heard of it."""
    scene = Scene()
    scene.room = None
    scene.hear(JOINED, person())
    scene.run(5.1, sweep=False)

    assert scene.session.finished


def test_w14_a_room_that_is_not_listed_waits_for_nothing_else() -> None:
    """The attempts of before are no reason to look."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    scene.room = None
    scene.hear("swept")
    scene.run(0.1, sweep=False)

    assert scene.plan() == Wait(scene.session.missed_at + seconds(5))
