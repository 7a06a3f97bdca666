"""What is remembered of people never changes what rules say of them."""

from collections import Counter
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.config import load_offline
from dispatcher.core.audience import OBLIVION, Audience, Recollection, at_once, judge
from dispatcher.core.facts import Participant, Room, RoomSid
from dispatcher.core.rules import Rule
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.expressions.messages import PARTICIPANT_FIELDS, ROOM_FIELDS
from dispatcher.runtime.judgements import Judgements
from tests.unit.core.world import LOBBY, person, rule

RULES_FILE: Final = """\
rules:
  - {name: vip, agent: a, continue: true, when: "participant.attributes[?'role'].orValue('') == 'vip'"}
  - {name: plan, agent: a, when: "metadata.?plan.orValue('') == 'pro' && participant_metadata.?tier.orValue(0) == 1"}
  - {name: late, agent: a, continue: true, when: "participant.joined_at_ms > room.creation_time_ms"}
  - {name: phone, agent: a, kinds: [SIP], when: "kind == 'SIP' && participant.name != room.name"}
  - {name: odd, agent: a, when: "int(participant_metadata.tier) / 0 == 1 || participant.identity == 'bob'"}
  - {name: open, agent: a, trigger: room_started, when: "metadata.?plan.orValue('') == 'pro'"}
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rule, ...]:
    """Rules that read something of everything."""
    file = tmp_path_factory.mktemp("rules") / "dispatcher.yaml"
    file.write_text(RULES_FILE)
    return load_offline(file, {}).rules


PEOPLE = st.lists(
    st.builds(
        Participant,
        sid=st.sampled_from(["PA_1", "PA_2", "PA_3"]),
        identity=st.sampled_from(["alice", "bob"]),
        kind=st.sampled_from(["STANDARD", "SIP"]),
        name=st.sampled_from(["", "lobby"]),
        active=st.just(value=True),
        joined_at=st.sampled_from([1, 5_000]),
        metadata=st.sampled_from(["", '{"tier": 1}', '{"tier": "x"}', "\ud800"]),
        attributes=st.dictionaries(st.sampled_from(["role", "x"]), st.sampled_from(["vip", "y"])),
    ),
    max_size=3,
    unique_by=lambda one: one.sid,
)
ROOMS = st.builds(
    Room,
    sid=st.sampled_from([RoomSid("RM_1"), RoomSid("RM_2")]),
    name=st.sampled_from(["lobby", "hall"]),
    metadata=st.sampled_from(["", '{"plan": "pro"}']),
    created_at=st.sampled_from([0, 2_000]),
)
LOOKS = st.lists(st.builds(RoomSnapshot, room=ROOMS, participants=PEOPLE.map(tuple)), max_size=8)


def judged(look: RoomSnapshot, rules: tuple[Rule, ...], recollection: Recollection) -> Audience:
    """The audience of a look."""
    found = at_once(judge(look, rules, recollection))
    assert found is not None
    return found


def said(audience: Audience) -> tuple[object, ...]:
    """All that decisions are made of."""
    return audience.room, audience.people, audience.wanted, audience.for_room, audience.by_identity


@given(looks=LOOKS, most=st.sampled_from([1, 2, 100]))
def test_judging_with_a_memory_is_judging_without(
    rules: tuple[Rule, ...], looks: list[RoomSnapshot], most: int
) -> None:
    """Whatever changes between two looks, and however little is remembered."""
    memory = Judgements(most)
    for look in looks:
        assert said(judged(look, rules, memory)) == said(judged(look, rules, OBLIVION))


class Counted:
    """A condition, and how often it was asked about whom."""

    def __init__(self) -> None:
        self.asked = Counter[str]()

    def __call__(self, _room: Room, one: Participant | None) -> bool:
        """Nobody."""
        self.asked[one.identity if one else ""] += 1
        return False


def test_each_is_judged_once_while_their_facts_are_the_same() -> None:
    """LiveKit sends attributes in any order; what no expression may read is no matter."""
    counted, memory = Counted(), Judgements()
    rules = (rule("a", when=counted), rule("b", when=counted))
    bob = person("bob", attributes={"x": "1", "y": "2"})
    later = replace(bob, attributes={"y": "2", "x": "1"}, publisher=True, granted=True)
    judged(RoomSnapshot(room=LOBBY, participants=(person(), bob)), rules, memory)
    judged(RoomSnapshot(room=replace(LOBBY), participants=(person(), later)), rules, memory)

    assert counted.asked == {"alice": 2, "bob": 2}


_OF_ROOM: Final[dict[str, dict[str, Any]]] = {
    "sid": {"sid": RoomSid("RM_9")},
    "name": {"name": "other"},
    "metadata": {"metadata": "other"},
    "creation_time": {"created_at": 9_000},
    "creation_time_ms": {"created_at": 9_001},
}
_OF_PERSON: Final[dict[str, dict[str, Any]]] = {
    "sid": {"sid": "PA_9"},
    "identity": {"identity": "other"},
    "name": {"name": "other"},
    "metadata": {"metadata": "other"},
    "attributes": {"attributes": {"other": "one"}},
    "joined_at": {"joined_at": 9_000},
    "joined_at_ms": {"joined_at": 9_001},
    "kind": {"kind": "SIP"},
    "kind_details": {"kind_details": ("FORWARDED",)},
    "region": {"region": "other"},
}


def test_what_expressions_may_read_is_all_here() -> None:
    """A field that they learn is one that a judgement hangs on."""
    assert set(_OF_ROOM) == set(ROOM_FIELDS)
    assert set(_OF_PERSON) == {*PARTICIPANT_FIELDS, "kind"}


@pytest.mark.parametrize("change", _OF_PERSON.values(), ids=list(_OF_PERSON))
def test_whose_facts_have_changed_is_judged_anew(change: dict[str, Any]) -> None:
    """Each fact that an expression may read."""
    memory = Judgements()
    memory.keep(LOBBY, person(), ("a",))

    assert memory.recall(LOBBY, person()) == ("a",)
    assert memory.recall(LOBBY, replace(person(), **change)) is None


@pytest.mark.parametrize("change", _OF_ROOM.values(), ids=list(_OF_ROOM))
def test_in_a_room_whose_facts_have_changed_all_are_judged_anew(change: dict[str, Any]) -> None:
    """Each fact that an expression may read."""
    memory, alice = Judgements(), person()
    memory.keep(LOBBY, alice, ("a",))

    assert memory.recall(replace(LOBBY, **change), alice) is None
    assert memory.recall(LOBBY, alice) == ("a",)


def test_so_many_are_remembered() -> None:
    """Whoever has not been met for longest is forgotten."""
    memory, people = Judgements(2), [person(f"guest-{number}") for number in range(3)]
    memory.keep(LOBBY, people[0], ())
    memory.keep(LOBBY, people[1], ())
    memory.recall(LOBBY, people[0])
    memory.keep(LOBBY, people[2], ())

    assert [memory.recall(LOBBY, one) for one in people] == [(), None, ()]
