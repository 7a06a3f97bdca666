"""Metadata that means harm, or only carelessness: it is empty or harmless, and concerns nobody else."""

import json
import subprocess
import sys
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.facts import Participant
from dispatcher.core.rules import Policy, Rule, Target, aimed, matching
from dispatcher.expressions import Agents, Failure, Metadata, Result, When
from dispatcher.expressions.objects import DEPTH_MAX, METADATA_MAX, Parsed, Unread, parsed
from dispatcher.expressions.shapes import Shape
from tests.unit.expressions.speech import CALLER, LANGUAGE, ROOM, judged, saying

DEEP: Final = '{"a":' * 20_000 + "1" + "}" * 20_000
HOSTILE: Final = {
    "not JSON": ("hello", Unread.NO_JSON),
    "cut off": ('{"a": ', Unread.NO_JSON),
    "null": ("null", Unread.NO_OBJECT),
    "a number": ("7", Unread.NO_OBJECT),
    "a list": ('["admin"]', Unread.NO_OBJECT),
    "a text": ('"admin"', Unread.NO_OBJECT),
    "not a number": ('{"a": NaN}', Unread.NOT_A_NUMBER),
    "infinite": ('{"a": 1e999}', Unread.NUMBER_TOO_LARGE),
    "deep": (DEEP, Unread.TOO_LONG),
    "deep lists": ('{"a":' + "[" * 20_000 + "]" * 20_000 + "}", Unread.TOO_MANY_VALUES),
    "one too deep": ('{"a":' * DEPTH_MAX + "{}" + "}" * DEPTH_MAX, Unread.TOO_DEEP),
    "one too deep in lists": ('{"a":' + "[" * DEPTH_MAX + "]" * DEPTH_MAX + "}", Unread.TOO_DEEP),
    "huge": (json.dumps({"a": "x" * METADATA_MAX}), Unread.TOO_LONG),
    "huge in bytes": (json.dumps({"a": "é" * (METADATA_MAX // 2)}, ensure_ascii=False), Unread.TOO_LONG),
    "512 KiB": (json.dumps({f"key {number}": number for number in range(30_000)}), Unread.TOO_LONG),
    "NUL": ('{"role": "admin\\u0000"}', Unread.NUL),
    "NUL in a key": ('{"admin\\u0000": true}', Unread.NUL),
    "NUL deep inside": ('{"a": [{"b": ["admin\\u0000x"]}]}', Unread.NUL),
    "raw NUL": ('{"a": "\0"}', Unread.NO_JSON),
    "half a character": ('{"a": "\\ud800"}', Unread.NO_JSON),
    "half a character in a key": ('{"\\udfff": 1}', Unread.NO_JSON),
    "a byte order mark": ('\ufeff{"a": 1}', Unread.BYTE_ORDER_MARK),
    "encoded twice": (json.dumps(json.dumps({"a": 1})), Unread.ENCODED_TWICE),
    "infinity in a list": ('{"a": [1, -Infinity]}', Unread.NOT_A_NUMBER),
    "NaN in a text that is cut off": ('{"a": "NaN', Unread.NO_JSON),
    "a whole number beyond 64 bits": ('{"a": {"b": [18446744073709551616]}}', Unread.NUMBER_TOO_LARGE),
    "a negative one": ('{"a": -9223372036854775809}', Unread.NUMBER_TOO_LARGE),
    "too many values": (json.dumps({"a": list(range(1_001))}), Unread.TOO_MANY_VALUES),
    "too many marks": (json.dumps({"a": "," * 4_001}), Unread.TOO_MANY_VALUES),
    "deep lists within the cap": ("[" * 3_000, Unread.TOO_DEEP),
}
CAREFUL: Final = {
    '{"a": 1, "a": 2}': {"a": 2},
    ' \t{"a": null}\n': {"a": None},
    '{"a": "\\ud83d\\ude00"}': {"a": "😀"},
    '{"": ""}': {"": ""},
    '{"a": 18446744073709551615, "b": -9223372036854775808}': {"a": 2**64 - 1, "b": -(2**63)},
    '{"a":' * (DEPTH_MAX - 1) + "{}" + "}" * (DEPTH_MAX - 1): None,
    json.dumps({"a": "x" * (METADATA_MAX - 9)}): None,
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
)
SALES = Rule(
    name="sales",
    policy=Policy(targets=(Target("overflow"),)),
    when=When("sales", LANGUAGE.compile("metadata.?a != optional.of('x')", "participant_joined", Result.CONDITION)),
    metadata=Metadata(
        "sales", LANGUAGE.compile("{'m': metadata, 'p': participant_metadata}", "participant_joined", Result.METADATA)
    ),
    aim=Agents("sales", (LANGUAGE.compile("metadata.agent", "participant_joined", Result.NAME), Target("overflow"))),
)


def survive(text: str) -> None:
    """Everything a rule can ask is asked of a room and a participant with this metadata."""
    room, person = saying(text), replace(CALLER, metadata=text, attributes={"a": text, text: "b"})
    matching((SALES,), room, person)
    aimed(SALES, room, person)
    assert SALES.metadata is not None
    json.loads(SALES.metadata(room, person) or "{}")


@pytest.mark.parametrize(("text", "why"), HOSTILE.values(), ids=HOSTILE)
def test_t3_hostile_metadata_is_empty(text: str, why: Unread) -> None:
    """A map without entries: conditions on it do not match, nothing is raised, and it is known why."""
    assert parsed(text) == Parsed({}, Shape(), why)
    assert judged("[metadata, participant_metadata]", saying(text), replace(CALLER, metadata=text)) == [{}, {}]
    survive(text)


@pytest.mark.parametrize("text", ["", " \n", "{}", " { } "])
def test_t3_no_metadata_is_no_trouble(text: str) -> None:
    """It is empty, as somebody meant it."""
    assert parsed(text) == Parsed()


@pytest.mark.parametrize(("text", "value"), CAREFUL.items())
def test_t3_what_is_only_odd_is_read(text: str, value: object) -> None:
    """Up to the caps; of a field written twice the last counts."""
    found = judged("metadata", saying(text))

    assert found
    assert value is None or found == value


def test_t3_hostile_metadata_changes_no_other_room() -> None:
    """Rooms before, between and after are judged as if it had never been there."""
    good = saying('{"agent": "tutor"}')
    for text, _ in HOSTILE.values():
        survive(text)
        assert aimed(SALES, good, CALLER).targets == (Target("tutor"), Target("overflow"))
        assert matching((SALES,), good, CALLER) == (SALES,)


def test_t3_a_process_survives_all_of_it_many_times() -> None:
    """In a process of its own: what CEL itself does with depth and with nulls ends a process, not a test."""
    program = (
        "from tests.unit.expressions.test_hostile import HOSTILE, NULLS, survive\n"
        "for _ in range(3):\n"
        "    for text, _ in HOSTILE.values():\n"
        "        survive(text)\n"
        "for _ in range(12):\n"
        "    survive(NULLS)\n"
        "print('alive')"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)

    assert (ran.returncode, ran.stdout) == (0, b"alive\n"), ran.stderr


NULLS: Final = json.dumps({"a": [None] * 10_000})


@given(value=ANY_JSON)
def test_t3_any_json_is_survived(value: object) -> None:
    """As LiveKit's clients may write it."""
    survive(json.dumps(value))
    survive(json.dumps({"agent": value, "a": value}, ensure_ascii=False).encode(errors="replace").decode())


@given(text=st.text())
def test_t3_any_text_is_survived(text: str) -> None:
    """Half characters included, which no wire can carry."""
    outcomes = [judged("metadata", saying(text)), judged("kind", ROOM, Participant(sid=text, identity=text))]

    assert all(isinstance(one, Failure | dict | str) for one in outcomes)


def test_a_nul_in_a_text_of_livekits_own_hides_nothing() -> None:
    """CEL would take "admin" and what follows a NUL for "admin"; names and attributes come to it as messages."""
    sly = replace(CALLER, identity="admin\0x", attributes={"role": "admin\0x"})

    assert judged("participant.identity == 'admin'", person=sly) is False
    assert judged("participant.attributes['role'] == 'admin'", person=sly) is False
    assert judged("participant.attributes['role'].size()", person=sly) == 7
