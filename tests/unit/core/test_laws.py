"""Laws that hold in any life of a room, however hostile; hypothesis looks for one in which they do not."""

from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.departures import DEPARTED_MAX, NOTES_MAX
from dispatcher.core.facts import JOINED, LEFT
from dispatcher.core.plan import Create, Rest, Retract
from dispatcher.core.rules import Rule
from dispatcher.core.session import ASSIGNMENTS_MAX, ATTEMPTS_MAX, TIMELINE_MAX, State
from dispatcher.ledger.record import dump, load
from tests.unit.core.lives import (
    FOREIGN,
    LIVES,
    OURS_ALONE,
    RULES,
    SETS,
    Happening,
    answers,
    joins,
    leaves,
    ledger_is_emptied,
    room_is,
    time_passes,
)
from tests.unit.core.scene import Scene
from tests.unit.core.world import LOBBY, agent, person, rule

RECORD_MAX = 30_000  # bytes, of a room with one assignment: its caps, filled with names of ordinary length

LIFE = settings(deadline=None)
pytestmark = pytest.mark.no_cover  # tracing doubles their time; other tests cover what they walk through


class Watched(Scene):
    """A scene in which every Create and Retract is held against the laws."""

    def ask(self) -> Create:
        """The Create that is due has been sent, lawfully."""
        before = self.session
        step = super().ask()
        asked = before.assignment(step.assignment)
        assert step.target.agent, "nobody would be asked for"
        assert asked.open == (), "law 5: an attempt is open"
        assert step.number > asked.last_number, "law 2: the number was used before"
        assert not before.finished, "law 14: the session is over"
        assert not before.missed_at, "law 14: the room was not listed"
        assert not before.stale, "law 4: something has happened since"
        assert before.looked_at == self.now, "law 4: the look was not fresh"
        assert asked.attended or asked.policy.trigger == "room_started", "nobody is there"
        return step

    def take_back(self) -> Retract:
        """The Retract that is due has been carried out, lawfully."""
        before = self.session
        step = super().take_back()
        asked = before.assignment(step.assignment)
        taken = asked.attempt(step.number)
        assert taken.ours, "law 13: it is not ours"
        assert not taken.open, "an open attempt"
        assert bool(step.agent_sid) != bool(step.dispatch), "the agent first, and then the dispatch"
        return step


def lived(rules: tuple[Rule, ...], life: list[Happening]) -> Scene:
    """The scene after a life, in which each happening was followed by whatever was due."""
    scene = Watched(*rules)
    for happens in life:
        happens(scene)
        scene.settle()
    return scene


@LIFE
@given(rules=RULES, life=LIVES)
def test_laws_2_4_5_13_14_hold_in_every_life(rules: tuple[Rule, ...], life: list[Happening]) -> None:
    """No Create and no Retract that a law forbids, and the reconciler finds an end in 16 rounds."""
    lived(rules, life)


@LIFE
@given(rules=RULES, life=LIVES)
def test_law_7_a_session_at_rest_owes_nothing(rules: tuple[Rule, ...], life: list[Happening]) -> None:
    """Rest means over; or that no assignment waits, nothing is to be taken back, no open attempt can be late."""
    scene = lived(rules, life)
    if scene.plan() != Rest() or scene.session.finished:
        return

    assert not scene.session.stale
    for one in scene.session.assignments:
        assert not one.waits
        assert not one.unnamed
        assert not [old for old in one.attempts if old.ours and not old.open and old.shows and old.retract_at]
        assert not one.served_by_name
        assert all(opened.serving or one.policy.worker_type == "publisher" for opened in one.open)


@LIFE
@given(rules=RULES, life=LIVES)
@example(
    rules=SETS[0],
    life=[
        joins("alice"),
        FOREIGN,
        time_passes(1),
        room_is(listed=False),
        time_passes(6),
        joins("hidden", hidden=True),
        time_passes(1),
    ],
)
def test_law_7_no_session_waits_for_what_has_passed(rules: tuple[Rule, ...], life: list[Happening]) -> None:
    """A wait is for an instant ahead: a reconciler would turn for ever."""
    assert lived(rules, life).spins == 0


@LIFE
@given(rules=RULES, life=OURS_ALONE)
def test_a_look_seen_twice_changes_nothing(rules: tuple[Rule, ...], life: list[Happening]) -> None:
    """Judging is idempotent. What it tells, and foreign dispatches, have tests of their own."""
    scene = lived(rules, life)

    once, twice = (replace(scene.look(), timeline=(), entries_total=0) for _ in range(2))

    assert twice == once


@LIFE
@given(rules=RULES, life=LIVES)
def test_law_8_nothing_of_a_session_exceeds_its_cap(rules: tuple[Rule, ...], life: list[Happening]) -> None:
    """Whatever happens."""
    scene = lived(rules, life)

    assert len(scene.session.assignments) <= ASSIGNMENTS_MAX
    assert len(scene.session.notes) <= NOTES_MAX
    assert len(scene.session.timeline) <= TIMELINE_MAX
    assert all(len(one.attempts) <= ATTEMPTS_MAX for one in scene.session.assignments)


@pytest.mark.slow("1,200 people, second by second")
@pytest.mark.parametrize(
    "rules", [SETS[0], SETS[1], SETS[3], SETS[4]], ids=["one", "fallback", "two-assignments", "on-room"]
)
def test_law_8_a_record_does_not_grow_with_the_audience_or_with_time(rules: tuple[Rule, ...]) -> None:
    """300 people come and go in an hour and a half, agents are lost, most dispatches are silent: it finds its size."""
    chance = Random(7)  # noqa: S311 - the same life each time
    scene = Watched(*rules)
    largest = 0
    for number in range(300):
        scene.joins(person(f"person-{number}"))
        if number >= 3:
            scene.leaves(person(f"person-{number - 3}"))
        if number % 5 == 0 and scene.creates and f"AD_{len(scene.creates)}" in scene.listed:
            scene.comes(f"AD_{len(scene.creates)}", f"agent-{number}")
        for one in [one for one in scene.present.values() if one.is_agent and chance.random() < 0.3]:
            scene.leaves(one, chance.choice(["CONNECTION_TIMEOUT", "CLIENT_INITIATED"]))
        scene.run(20)
        largest = max(largest, len(dump(scene.session)))

    assert len(scene.creates) > 50
    assert largest < RECORD_MAX


def test_law_8_a_crowd_of_unasked_agents_is_told_in_a_line() -> None:
    """500 agents of 500 names that nobody asked for."""
    scene = Scene()
    for number in range(500):
        scene.enter(agent(f"bot-{number}", f"stranger-{number:03}"))
    scene.hear("swept")
    scene.run(12)

    assert len(dump(scene.session)) < 2_000


def test_law_8_an_audience_leaves_no_trace_but_of_the_latest_to_go() -> None:
    """A room with 5,000 listeners has the record of a room with one; DEPARTED_MAX of them may be about to come back."""
    scene = Scene()
    scene.joins(person())
    scene.run(0.1)
    scene.comes("AD_1")
    scene.run(60)
    before = dump(scene.session)
    for number in range(5_000):
        scene.hear(JOINED if number % 2 else LEFT, person(f"listener-{number}"))

    assert len(scene.session.departed) == DEPARTED_MAX
    assert dump(replace(scene.session, departed=())) == before


@LIFE
@given(rules=RULES, life=LIVES)
def test_law_10_the_ledger_emptied_at_any_point_adds_no_agent(rules: tuple[Rule, ...], life: list[Happening]) -> None:
    """After the next look as many assignments are served as before, and only who waited before is asked for."""
    scene = lived(rules, life)
    room_is(listed=True)(scene)
    scene.settle()
    scene.look()
    served, asked_before = standing(scene), len(scene.creates)
    unserved = sum(one.attended or one.policy.trigger == "room_started" for one in scene.session.assignments) - served

    ledger_is_emptied(scene)
    scene.settle()

    assert standing(scene) >= served
    assert len(scene.creates) - asked_before <= unserved


def standing(scene: Scene) -> int:
    """How many assignments that somebody waits for are served."""
    return sum(
        one.state is State.SERVED and (one.attended or one.policy.trigger == "room_started")
        for one in scene.session.assignments
    )


@LIFE
@given(rules=RULES, life=LIVES, cut=st.integers(0, 25))
def test_law_9_a_session_goes_on_from_its_record(rules: tuple[Rule, ...], life: list[Happening], cut: int) -> None:
    """A process killed between any two steps: whoever loads the record plans the same and sees the same."""
    scene = lived(rules, life[:cut])

    successor = load(dump(scene.session), LOBBY.name, LOBBY.sid)

    assert successor == scene.session


@LIFE
@given(rules=RULES, life=LIVES)
@example(
    rules=SETS[3],
    life=[
        joins("alice"),
        answers(0, "agent", heard=False, fixed=True),
        answers(1, "job", heard=False, fixed=True),
    ],
)
def test_promises_3_and_4_once_the_world_behaves_everybody_waiting_has_one_agent(
    rules: tuple[Rule, ...], life: list[Happening]
) -> None:
    """Whatever went before: 150 s later each is finished, or served by an agent with a job, one of ours at most.

    One for whom nobody can be named is starved. An identity that two assignments' agents share is one agent's at a
    time.
    """
    scene = lived(rules, life)
    room_is(listed=True)(scene)
    joins("alice", publisher=True)(scene)
    scene.on_create = scene.comes
    scene.run(150)

    for one in (one for one in scene.session.assignments if one.attended and not one.finished_at):
        ours = {identity for old in one.attempts if old.ours for identity in old.identities}
        others = {other.serving.agent_sid for other in scene.session.assignments if other is not one and other.serving}
        agents = [who for who in scene.present.values() if who.identity in ours and who.sid not in others]
        assert one.serving or (one.unnamed and one.state is State.STARVED)
        assert one.policy.worker_type == "publisher" or len(agents) <= 1


@LIFE
@given(life=LIVES)
def test_a_room_that_no_rule_covers_is_left_alone(life: list[Happening]) -> None:
    """No assignment, no Create, no Retract; agents are reported."""
    scene = Watched(rule(when=lambda *_: False))
    for happens in [*life, leaves("alice")]:
        happens(scene)
        scene.settle()

    assert (scene.session.assignments, scene.creates) == ((), [])
