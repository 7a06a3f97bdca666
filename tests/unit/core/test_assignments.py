import pytest
from msgspec.structs import replace

from dispatcher.core.assignments import assign, may_be_assigned
from dispatcher.core.audience import OBLIVION, at_once, judge
from dispatcher.core.facts import Participant
from dispatcher.core.rules import Rule
from dispatcher.core.session import ASSIGNMENTS_MAX, Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Said, Verdict
from tests.unit.core.scene import Scene
from tests.unit.core.world import LOBBY, NOW, assignment, attempt, only, person, rule, session

CALLER, BOSS = person("caller"), person("boss")
SALES, SUPPORT = rule("sales", when=only("caller")), rule("support", when=only("boss"))
VIP = rule("vip", when=only("boss"), go_on=True)
EACH, AMBIENT, EVERYONE = rule("each", per="participant"), rule("ambient", trigger="room_started"), rule("everyone")


def wanted(before: Session, rules: list[Rule], *people: Participant) -> Session:
    """The session once it has all assignments that the rules ask for."""
    there = at_once(judge(RoomSnapshot(room=LOBBY, participants=people), tuple(rules), OBLIVION))
    assert there is not None
    return assign(before, rules, there, NOW)


def born(rules: list[Rule], *people: Participant, before: Session | None = None) -> list[str]:
    """Keys of the assignments after a birth."""
    return [one.key for one in wanted(before or session(), rules, *people).assignments]


@pytest.mark.parametrize(
    ("rules", "people", "keys"),
    [
        pytest.param([EVERYONE], [CALLER, BOSS], ["everyone"], id="one-agent-for-all"),
        pytest.param([EVERYONE], [], [], id="nobody-there"),
        pytest.param([SALES, SUPPORT], [CALLER, BOSS], ["sales"], id="a-caller-and-a-supervisor-get-one-agent"),
        pytest.param([SALES, SUPPORT], [BOSS, CALLER], ["sales"], id="rules-come-before-people"),
        pytest.param([VIP, SALES], [CALLER, BOSS], ["vip", "sales"], id="I7-continue-makes-two"),
        pytest.param([SALES, VIP], [CALLER, BOSS], ["sales", "vip"], id="continue-is-never-taken"),
        pytest.param([EACH], [CALLER, BOSS], ["each/caller", "each/boss"], id="one-for-each"),
        pytest.param([EACH, EVERYONE], [CALLER], ["each/caller"], id="the-first-rule-that-matches"),
        pytest.param([SALES, EACH], [CALLER, BOSS], ["sales", "each/boss"], id="per-participant-beside-per-room"),
        pytest.param([AMBIENT], [], ["ambient"], id="on-room-needs-nobody"),
        pytest.param([AMBIENT, EVERYONE], [CALLER], ["ambient"], id="on-room-takes-the-one-place"),
        pytest.param([AMBIENT, EACH], [CALLER], ["ambient", "each/caller"], id="on-room-and-one-for-each"),
        pytest.param([], [CALLER], [], id="no-rule"),
    ],
)
def test_assignments_of_a_room(rules: list[Rule], people: list[Participant], keys: list[str]) -> None:
    """Rules in order, and for each the people in theirs; one `per: room` assignment unless the rule says `continue`."""
    assert born(rules, *people) == keys


def test_assignments_already_there_are_left_as_they_are() -> None:
    """What was pinned at birth stays: a reload changes new assignments only."""
    old = assignment(name="everyone", tries=2)

    after = wanted(session(old), [rule("everyone", attempts=9)], CALLER)

    assert after == session(old)


def test_a_birth_is_told() -> None:
    """With the assignment and the agent that will be asked first."""
    after = wanted(session(), [rule("sales", "seller", "voicemail")], CALLER)

    assert [(entry.said, entry.assignment, entry.agent) for entry in after.timeline] == [
        (Said.ASSIGNMENT_CREATED, "sales", "seller")
    ]


@pytest.mark.parametrize(
    ("before", "rules", "who", "may"),
    [
        pytest.param(session(), [EVERYONE], CALLER, True, id="somebody-and-a-rule-for-people"),
        pytest.param(session(), [SUPPORT], CALLER, True, id="conditions-are-not-asked"),
        pytest.param(session(), [AMBIENT], CALLER, False, id="a-rule-for-the-room"),
        pytest.param(session(), [EVERYONE], person(kind="EGRESS"), False, id="T1-another-kind"),
        pytest.param(session(assignment(name="everyone")), [EVERYONE], CALLER, False, id="it-is-there"),
        pytest.param(session(assignment(name="sales")), [SALES, SUPPORT], BOSS, False, id="the-one-place-is-taken"),
        pytest.param(session(assignment(name="sales")), [SALES, VIP], BOSS, True, id="continue-is-never-taken"),
        pytest.param(session(assignment(name="vip")), [VIP, SALES], CALLER, True, id="and-takes-no-place"),
        pytest.param(session(assignment(name="each", identity="boss")), [EACH], CALLER, True, id="one-for-each"),
        pytest.param(session(assignment(name="each", identity="caller")), [EACH], CALLER, False, id="each-has-one"),
        pytest.param(session(), [AMBIENT], None, True, id="the-room-itself"),
        pytest.param(session(assignment(name="ambient")), [AMBIENT], None, False, id="the-room-has-it"),
        pytest.param(session(), [EVERYONE], None, False, id="nothing-for-the-room-itself"),
    ],
)
def test_only_what_may_bring_an_assignment_is_looked_at(
    before: Session, rules: list[Rule], who: Participant | None, may: bool
) -> None:
    """A big audience costs no looks: only somebody of whom an assignment could be born does."""
    assert may_be_assigned(before, rules, who) is may


FULL = session(*(assignment(name="each", identity=f"p{number}") for number in range(ASSIGNMENTS_MAX)))


def test_law_8_assignments_are_capped_and_the_overflow_is_told_once() -> None:
    """While everybody is waited for, who comes too late is left out."""
    after = wanted(wanted(FULL, [EACH], CALLER), [EACH], CALLER, BOSS)

    assert after.assignments == FULL.assignments
    assert [(entry.said, entry.assignment) for entry in after.timeline] == [(Said.ASSIGNMENT_OMITTED, "each/caller")]


@pytest.mark.parametrize(
    ("fields", "goes"),
    [
        pytest.param({"attended": False}, True, id="nobody-waits-for-it"),
        pytest.param({"attended": True}, False, id="somebody-does"),
        pytest.param({"attended": False, "attempts": (attempt(),)}, False, id="an-attempt-is-open"),
        pytest.param(
            {"attended": False, "attempts": (attempt(verdict=Verdict.SILENT, listed=True, retract_at=NOW),)},
            False,
            id="there-is-something-to-take-back",
        ),
    ],
)
def test_an_idle_assignment_makes_room(fields: dict[str, object], goes: bool) -> None:
    """Only an assignment that nobody waits for, and of which nothing is left, is given up for a new one."""
    idle = replace(FULL.assignments[3], **fields)
    full = replace(FULL, assignments=(*FULL.assignments[:3], idle, *FULL.assignments[4:]))

    after = wanted(full, [EACH], CALLER)

    assert (after.find(idle.key) is None) is goes
    assert (after.find("each/caller") is not None) is goes
    assert len(after.assignments) == ASSIGNMENTS_MAX


def test_of_a_crowd_in_one_look_the_first_to_come_are_served() -> None:
    """40 people at the first look: the 32 who joined first have assignments, and the overflow is told."""
    scene = Scene(EACH)
    for number in range(40):
        scene.wait(0.1)
        scene.enter(person(f"p{number}"))

    after = scene.look()

    assert [one.identity for one in after.assignments] == [f"p{number}" for number in range(ASSIGNMENTS_MAX)]
    assert scene.told(Said.ASSIGNMENT_OMITTED) == 1


def test_somebody_who_came_back_is_not_pushed_out() -> None:
    """An assignment whose person is in this look makes no room for a newcomer of the same look."""
    scene = Scene(EACH)
    scene.session = replace(FULL, assignments=(replace(FULL.assignments[0], attended=False), *FULL.assignments[1:]))
    for number in reversed(range(ASSIGNMENTS_MAX)):
        scene.enter(person(f"p{number}"))
    scene.enter(CALLER)

    after = scene.look()

    assert [one.key for one in after.assignments] == [one.key for one in FULL.assignments]
    assert after.overflow_announced


def test_an_assignment_on_room_is_not_idle_because_nobody_is_there() -> None:
    """`trigger: room_started` wants its agent with nobody there: it keeps its place, its budget and its numbers."""
    ambient = assignment(
        attempt(3, verdict=Verdict.SILENT), name="ambient", policy=AMBIENT.policy, attended=False, rounds=1
    )
    full = replace(FULL, assignments=(ambient, *FULL.assignments[1:]))

    assert "ambient" in born([AMBIENT, EACH], CALLER, before=full)


def test_a_birth_in_an_idle_assignments_place_is_told_too() -> None:
    """The timeline says `wanted` of every assignment."""
    full = replace(FULL, assignments=(replace(FULL.assignments[0], attended=False), *FULL.assignments[1:]))

    after = wanted(full, [EACH], CALLER)

    assert [(entry.said, entry.assignment) for entry in after.timeline] == [(Said.ASSIGNMENT_CREATED, "each/caller")]


def test_law_8_visitors_without_end_are_all_served_one_by_one() -> None:
    """40 people come and go, each served; what is left of the first makes room for the last."""
    scene = Scene(EACH)
    scene.on_create = scene.comes
    for number in range(40):
        visitor = scene.joins(person(f"p{number}"))
        scene.run(5)
        assert scene.assignment(f"each/p{number}").serving is not None, number
        scene.leaves(visitor)
        scene.leaves(next(one for one in scene.present.values() if one.is_agent))
        scene.run(90)


@pytest.mark.slow("60 people, second by second")
def test_law_8_dispatches_of_assignments_that_made_room_do_not_bring_them_back() -> None:
    """60 people served, each agent finished: their dispatches stay listed, the assignments within their cap."""
    scene = Scene(EACH)
    scene.on_create = scene.comes
    for number in range(60):
        visitor = scene.joins(person(f"p{number}"))
        scene.run(10)
        scene.leaves(next(one for one in scene.present.values() if one.is_agent))
        scene.run(5)
        scene.leaves(visitor)
        scene.run(5)
        assert len(scene.session.assignments) <= ASSIGNMENTS_MAX, number
