"""Values as they come out of CEL, and the reference that its own conversion drops."""

import gc
import sys
from collections.abc import Callable
from typing import Final

import pytest
from msgspec.structs import replace

from dispatcher.core.rules import Trigger
from dispatcher.expressions import Failure, FailureReason, Result
from dispatcher.expressions.outcome import Outcome
from tests.unit.expressions.speech import CALLER, LANGUAGE, ROOM, judged, saying

TIMES: Final = 2_000
NULLS: Final = '{"a": null, "b": [null, null, {"c": null}], "s": "text", "t": true}'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("true", True),
        ("-7", -7),
        ("7u", 7),
        ("9223372036854775807", 2**63 - 1),
        ("1.5", 1.5),
        ("'é\\u0000x'", "é\0x"),
        ("[1, 'a', null, [true]]", [1, "a", None, [True]]),
        ("{'a': {'b': [null]}}", {"a": {"b": [None]}}),
        ("metadata", {"tenant": "acme", "n": 3}),
        ("participant_metadata", {"language": "fr"}),
        ("participant.attributes", {"sip.trunkPhoneNumber": "+442079460000", "a": "b"}),
        ("[room.sid, room.name, participant.sid, participant.identity]", ["RM_1", "lobby", "PA_1", "sip_1"]),
        ("[room.creation_time, room.creation_time_ms]", [1_700_000_000, 1_700_000_000_400]),
        ("[participant.joined_at, participant.joined_at_ms]", [1_700_000_001, 1_700_000_001_500]),
        ("[kind, participant.name, participant.metadata]", ["SIP", "Bob", '{"language": "fr"}']),
    ],
)
def test_a_value_comes_out_as_plain_python(text: str, value: Outcome) -> None:
    """JSON's own types, each as itself."""
    assert judged(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("metadata.nobody", FailureReason.MISSING_KEY),
        ("metadata.nobody.told", FailureReason.MISSING_KEY),
        ("participant.attributes['x']", FailureReason.MISSING_KEY),
        ("phone(metadata.nobody)", FailureReason.MISSING_KEY),
        ("metadata.tenant.name", FailureReason.INVALID_ARGUMENT),
        ("1 / 0", FailureReason.INVALID_ARGUMENT),
        ("9223372036854775807 + 1", FailureReason.OUT_OF_RANGE),
        ("metadata.tenant + 1", FailureReason.NO_OVERLOAD),
        ("phone(metadata.n)", FailureReason.NO_OVERLOAD),
        ("b'x'", FailureReason.WRONG_TYPE),
        ("duration('1s')", FailureReason.WRONG_TYPE),
        ("timestamp('2020-01-01T00:00:00Z')", FailureReason.WRONG_TYPE),
        ("type(1)", FailureReason.WRONG_TYPE),
        ("room", FailureReason.WRONG_TYPE),
        ("[participant]", FailureReason.WRONG_TYPE),
        ("metadata.?tenant", FailureReason.WRONG_TYPE),
        ("{1: 'a'}", FailureReason.WRONG_TYPE),
    ],
)
def test_an_error_is_a_value(text: str, reason: FailureReason) -> None:
    """CEL's own errors are texts that are true, and some of its values have no form in Python."""
    assert judged(text) == Failure(reason)


def test_an_optional_that_nobody_unpacked_is_no_value() -> None:
    """Where only judging shows the type."""
    tangled = LANGUAGE.compile("true ? dyn(metadata.?tenant) : dyn('')", "participant_joined", Result.NAME)

    assert tangled.judge(ROOM, CALLER) == Failure(FailureReason.WRONG_TYPE)


def test_endless_work_is_cut_off() -> None:
    """Loops inside loops over a long list end as a failure, soon."""
    crowd = saying('{"l": [' + ",".join("1" for _ in range(900)) + "]}")
    loops = "metadata.l.all(a, metadata.l.all(b, metadata.l.all(c, true)))"

    assert judged(loops, crowd) == Failure(FailureReason.EXHAUSTED)


def test_the_deepest_result_comes_out() -> None:
    """CEL lets an expression be as deep as this, and metadata may be as deep again."""
    nested = saying('{"a":' * 31 + '{"b": 1}' + "}" * 31)
    found = judged("[" * 28 + "metadata" + "]" * 28, nested)

    assert str(found).count("[") == 28
    assert str(found).count("{") == 32


@pytest.mark.parametrize("trigger", ["participant_joined", "room_started"])
def test_a_look_without_the_person_it_needs_is_a_failure(trigger: Trigger) -> None:
    """Rules `trigger: room_started` know no participant; others are never judged without."""
    assert isinstance(judged("room.name", person=None, trigger=trigger), str)
    assert isinstance(judged("kind", person=None), Failure)


def test_what_cel_raises_is_a_failure() -> None:
    """A kind of participant that nobody knows yet may be any text: CEL cannot take this one in."""
    assert judged("kind", person=replace(CALLER, kind="\ud800")) == Failure(FailureReason.OTHER)


def half(of: str) -> Outcome:
    """The outcome for a room whose name is half a character."""
    return judged("room.metadata", saying(of))


def test_half_a_character_is_a_failure() -> None:
    """No wire can carry it; whoever makes one up gets no exception."""
    assert half("\ud800") == Failure(FailureReason.INVALID_ARGUMENT)
    assert half("fine") == "fine"


def drift(counted: object, work: Callable[[], object]) -> int:
    """By how much the count of references to something has changed after working TIMES times.

    What other tests have left is collected before, not meanwhile: it may hold hundreds.
    """
    work()
    gc.collect()
    gc.disable()
    try:
        before = sys.getrefcount(counted)
        for _ in range(TIMES):
            work()
        return sys.getrefcount(counted) - before
    finally:
        gc.enable()


@pytest.mark.slow("thousands of judgements, eight times")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there None lives for ever, whatever is dropped")
@pytest.mark.parametrize(
    "text",
    ["null", "metadata.a", "metadata", "metadata.b", "metadata.a == null", "[null, null]", "{'x': null}", "phone('1')"],
)
def test_no_reference_to_none_is_dropped(text: str) -> None:
    """CEL's own conversion drops one for each null; some 5,000 abort the process, and metadata decides how many."""
    room = saying(NULLS)

    assert abs(drift(None, lambda: judged(text, room))) < TIMES // 20
