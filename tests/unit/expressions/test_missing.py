"""Which key is not there, as the rule names it; never one that somebody's data named."""

import pytest

from dispatcher.core.facts import Participant, Room, RoomSid
from dispatcher.core.rules import Trigger
from dispatcher.expressions import Language, Result, missing

LANGUAGE = Language()
ROOM = Room(sid=RoomSid("RM_1"), name="lobby", metadata='{"plan": "gold", "tenant": {"id": 7}, "list": [1]}')
ALICE = Participant(sid="PA_1", identity="alice", metadata='{"vip": true}', attributes={"sip.x": "1"})


def absent(text: str, person: Participant | None = ALICE) -> list[str]:
    """What of it is not there."""
    trigger: Trigger = "room_started" if person is None else "participant_joined"
    return missing(LANGUAGE.compile(text, trigger, Result.CONDITION).node, ROOM, person)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("metadata.agent == 'x'", ["metadata.agent"]),
        ("metadata.plan == 'x'", []),
        ("metadata['to-whom'] == 'x'", ["metadata['to-whom']"]),
        ("metadata.tenant.name == 'x'", ["metadata.tenant.name"]),
        ("metadata.tenant.name.first == 'x'", ["metadata.tenant.name"]),
        ("metadata.tenant.id == 7", []),
        ("metadata.plan.name == 'x'", []),
        ("metadata.nobody.name == 'x'", ["metadata.nobody"]),
        ("participant.attributes['sip.y'] == 'x'", ["participant.attributes['sip.y']"]),
        ("participant.attributes['sip.x'] == 'x'", []),
        ("participant.attributes.plan == 'x'", ["participant.attributes.plan"]),
        ("participant_metadata.gold == true", ["participant_metadata.gold"]),
        ("participant_metadata.vip == true", []),
        ("participant.name == 'x' && room.name == 'y'", []),
        (
            "metadata.a == 1 || metadata.b == 1 || metadata.c == 1 || metadata.d == 1",
            ["metadata.a", "metadata.b", "metadata.c"],
        ),
        ("has(metadata.a) ? metadata.a == 1 : metadata.b == 1", ["metadata.b"]),
        ("metadata.?a.orValue('') == ''", []),
        ("metadata[participant.identity] == 'x'", []),
        ("['a'].exists(one, metadata.agents == one)", ["metadata.agents"]),
    ],
)
def test_the_keys_that_are_not_there_are_named(text: str, keys: list[str]) -> None:
    """Literal ones, of metadata and attributes, that the expression does not ask for itself."""
    assert absent(text) == keys


def test_a_rule_for_rooms_reads_the_rooms_metadata() -> None:
    """There is nobody."""
    assert absent("metadata.agent == 'x'", None) == ["metadata.agent"]


def test_metadata_that_is_no_object_has_no_keys() -> None:
    """Whatever it is."""
    node = LANGUAGE.compile("metadata.agent == 'x'", "participant_joined", Result.CONDITION).node

    assert missing(node, Room(sid=RoomSid("RM_1"), name="x", metadata="[1]"), ALICE) == ["metadata.agent"]
