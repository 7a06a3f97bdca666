"""Everybody in a look is judged once, with stops in between; what is remembered is not judged again."""

from dispatcher.core.audience import ASKED_FOR_MAX, AT_ONCE, OBLIVION, Audience, asked_for, at_once, judge
from dispatcher.core.events import Event
from dispatcher.core.facts import JOINED, LEFT, Participant, Room
from dispatcher.core.rules import Rule
from dispatcher.core.snapshot import RoomSnapshot
from tests.unit.core.world import LOBBY, NOW, agent, assignment, only, person, rule

ALICE, BOB = person("alice"), person("bob")
RULES = (rule("bobs", when=only("bob"), go_on=True), rule("everyone"), rule("ambient", trigger="room_started"))


class Noted:
    """Remembers by SID, and who it was asked for."""

    def __init__(self, **known: tuple[str, ...]) -> None:
        self.known = known

    def recall(self, _room: Room, one: Participant) -> tuple[str, ...] | None:
        """What it was given."""
        return self.known.get(one.identity)

    def keep(self, _room: Room, one: Participant, rules: tuple[str, ...]) -> None:
        """It is given something."""
        self.known[one.identity] = rules


def audience(*people: Participant, rules: tuple[Rule, ...] = RULES) -> Audience:
    """These are there, and have been judged."""
    found = at_once(judge(RoomSnapshot(room=LOBBY, participants=people), rules, OBLIVION))
    assert found is not None
    return found


def names(found: Audience) -> dict[str, list[str]]:
    """Who is wanted by which rule."""
    return {rule: [one.identity for one in some] for rule, some in found.wanted.items()}


def test_rules_are_asked_of_everybody_and_of_the_room() -> None:
    """In order; the first that matches wins unless it says `continue`."""
    found = audience(BOB, ALICE, agent(), person("ghost", hidden=True))

    assert names(found) == {"bobs": ["bob"], "everyone": ["bob", "alice"]}
    assert [*found.for_room, *(one.identity for one in found.people)] == ["ambient", "bob", "alice"]


def test_a_look_without_a_room_has_no_audience() -> None:
    """Nobody is asked about anything."""
    assert at_once(judge(RoomSnapshot(room=None), RULES, OBLIVION)) is None


def test_whom_an_assignment_is_for_is_found_by_identity() -> None:
    """And by kind; an identity that is cut where it is remembered is found as it is remembered."""
    long = person("x" * 900)
    found = audience(ALICE, long, person("phone", kind="SIP"))

    assert found.waiting_for(assignment(identity=long.known_as)) == [long]
    assert found.waiting_for(assignment(identity="carol")) == []
    assert [one.identity for one in found.waiting_for(assignment())] == ["alice", long.identity, "phone"]
    assert found.waiting_for(assignment(identity="phone", policy=rule(kinds=frozenset({"STANDARD"})).policy)) == []


def test_who_is_remembered_is_not_judged() -> None:
    """Whoever is not, is, and is remembered from then on."""
    noted = Noted(alice=("bobs",))
    found = at_once(judge(RoomSnapshot(room=LOBBY, participants=(ALICE, BOB)), RULES, noted))

    assert found is not None
    assert names(found) == {"bobs": ["alice", "bob"], "everyone": ["bob"]}
    assert noted.known["bob"] == ("bobs", "everyone")


def test_others_have_their_turn_after_each_condition_and_after_so_many_people() -> None:
    """A condition may take 10 ms; to remember takes a few microseconds."""
    crowd = tuple(person(f"guest-{number}") for number in range(2 * AT_ONCE))
    snapshot = RoomSnapshot(room=LOBBY, participants=crowd)
    conditions = 1  # of RULES, for the room and for each person

    judged = list(judge(snapshot, RULES, OBLIVION))
    remembered = list(judge(snapshot, RULES, Noted(**{one.identity: () for one in crowd})))

    assert len(judged) == conditions * (1 + len(crowd)) + len(crowd) // AT_ONCE
    assert len(remembered) == conditions + len(crowd) // AT_ONCE


def joined(who: Participant, name: str = JOINED, room: Room | None = LOBBY) -> Event:
    """A webhook of it."""
    return Event(id="EV_1", name=name, created_at=NOW, room=room, participant=who)


def test_a_webhook_shows_which_rules_apply_to_who_has_joined() -> None:
    """None of anybody else, and nothing of too many rules."""
    many = tuple(rule(f"rule-{number}", go_on=True) for number in range(ASKED_FOR_MAX + 1))

    assert at_once(asked_for(joined(BOB), RULES)) == ("bobs", "everyone")
    assert at_once(asked_for(joined(ALICE), RULES[:1])) == ()
    assert at_once(asked_for(joined(BOB), many)) is None
    for silent in (joined(BOB, LEFT), joined(agent()), joined(person(hidden=True)), joined(BOB, room=None)):
        assert at_once(asked_for(silent, RULES)) is None
