"""What is found wrong with an expression when it loads; what a look shares."""

import time

import pytest
from livekit.protocol import models

from dispatcher.core.rules import Trigger
from dispatcher.expressions import BadExpression, Language, Result
from dispatcher.expressions.messages import PARTICIPANT_FIELDS, ROOM_FIELDS
from tests.unit.expressions.speech import CALLER, LANGUAGE, ROOM, judged, said, saying

TRUTH = "must be true or false; compare it with something, such as x == 'y'"
ZONES = "write one such as 'Europe/Paris', 'UTC' or '-08:00'"
MAP = "must be a map, which becomes JSON, or a text"


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("room.sidd == 'x'", [(4, "undefined field 'sidd' of room; did you mean 'sid'?")]),
        ("participant.kind_details == 'x'", [(25, "'==' does not take (list(string), string)")]),
        ("participant.regions == 'x'", [(11, "undefined field 'regions' of participant; did you mean 'region'?")]),
        ("participant.ident == 'x'", [(11, "undefined field 'ident' of participant; did you mean 'identity'?")]),
        ("room.turn_password == ''", [(4, "undefined field 'turn_password' of room")]),
        ("room.num_participants > 1", [(4, "undefined field 'num_participants' of room")]),
        ("participant.tracks.size() > 0", [(11, "undefined field 'tracks' of participant")]),
        ("participant.state == 2", [(11, "undefined field 'state' of participant")]),
        (
            "participant.kind == 'SIP'",
            [(11, "undefined field 'kind' of participant; `kind` stands alone, as in kind == 'SIP'")],
        ),
        ("rom.name == 'x'", [(0, "unknown name 'rom.name'; did you mean 'room'?")]),
        ("true && metdata.x == 1", [(8, "unknown name 'metdata.x'; did you mean 'metadata'?")]),
        ("room.name.startWith('x')", [(10, "unknown name 'startWith'; did you mean 'startsWith'?")]),
        ("fone('1') == '1'", [(0, "unknown name 'fone'; did you mean 'phone'?")]),
        ("lobby", [(0, "unknown name 'lobby'; a text has quotes of its own: 'lobby'")]),
        ("room.name == 1", [(10, "'==' does not take (string, int); put quotes round the number")]),
        ("'x' in room", [(4, "'in' does not take (string, room)")]),
        ("room.name + 1 == 'x'", [(10, "'+' does not take (string, int)")]),
        (
            "room.nmae == 'é' &&\n  foo == 1",
            [
                (4, "undefined field 'nmae' of room; did you mean 'name'?"),
                (22, "unknown name 'foo'; a text has quotes of its own: 'foo'"),
            ],
        ),
        ("'é' == 'ü' && foo", [(14, "unknown name 'foo'; a text has quotes of its own: 'foo'")]),
        ("room.name ==", [(12, "syntax error: it ends too early")]),
        ("", [(0, "syntax error: it ends too early")]),
        ("room.name = 'x'", [(10, "syntax error: token recognition error at: '= '; write == to compare")]),
        ("(room.name == 'x'", [(17, "syntax error: it ends too early")]),
        ("room.name == 'x')", [(16, "syntax error: extraneous input ')'")]),
        ("room.name == 'x", [(13, "syntax error: token recognition error at: ''x'")]),
        ("room.name.matches('(a')", [(18, "invalid regular expression: missing ): (a")]),
        (
            "[room.name].exists(x, x.matches('[')) || 'b'.matches('*')",
            [
                (32, "invalid regular expression: missing ]: ["),
                (53, "invalid regular expression: no argument for repetition operator: *"),
            ],
        ),
        ("{'a': 'b'.matches('(')}.a", [(18, "invalid regular expression: missing ): (")]),
        ("room.name.matches('(a{1000}){1000}')", [(18, "invalid regular expression: invalid repetition size: {1000}")]),
        ("timestamp(0).getHours('Europe/Pariss') == 1", [(22, f"no time zone 'Europe/Pariss': {ZONES}")]),
        ("timestamp(0).getDayOfWeek('+5') == 1", [(26, f"no time zone '+5': {ZONES}")]),
        ("timestamp(0).getHours('Europe/Paris') == timestamp(0).getHours('-08:00')", []),
        ("(" * 33 + "true" + ")" * 33, [(0, "nested deeper than 32; each + of a sum nests, too")]),
        ("1" + " + 1" * 40 + " == 41", [(0, "nested deeper than 32; each + of a sum nests, too")]),
        ("'" + "x" * 16_384 + "' == ''", [(0, "over 16 KiB")]),
        ("room.name", [(0, f"{TRUTH}; this is string")]),
        ("metadata.vip", [(0, f"{TRUTH}; this may be anything")]),
        ("room", [(0, f"{TRUTH}; write one of its fields, such as room.metadata")]),
        ("participant", [(0, f"{TRUTH}; write one of its fields, such as participant.name")]),
        ("metadata.?vip", [(0, f"{TRUTH}; this may be absent: write .orValue('…') after it")]),
        ("metadata.vip == true", []),
        ("room.name.matches('(a+)+$')", []),
        (" || ".join(["room.name == 'x'"] * 500), []),
    ],
)
def test_a_mistake_in_a_condition_is_found_when_it_loads(text: str, mistakes: list[tuple[int, str]]) -> None:
    """Each at its character, in words that say what to write."""
    assert said(text) == mistakes


@pytest.mark.parametrize(
    ("text", "result", "mistakes"),
    [
        ("metadata.agent", Result.NAME, []),
        ("room.name", Result.NAME, []),
        ("1", Result.NAME, [(0, "must be a text; this is int")]),
        ("metadata.?agent", Result.NAME, [(0, "must be a text; this may be absent: write .orValue('…') after it")]),
        ("participant.joined_at", Result.KEY, []),
        ("true", Result.KEY, [(0, "must be a text or a whole number; this is bool")]),
        ("room.metadata", Result.METADATA, []),
        ("metadata", Result.METADATA, []),
        ("{'a': 1}", Result.METADATA, []),
        ("[1]", Result.METADATA, [(0, f"{MAP}; this is list<int>")]),
        ("room", Result.METADATA, [(0, f"{MAP}; write one of its fields, such as room.metadata")]),
        ("livekit.Room{}", Result.METADATA, [(0, f"{MAP}; write one of its fields, such as room.metadata")]),
    ],
)
def test_a_result_of_the_wrong_type_is_found_when_it_loads(
    text: str, result: Result, mistakes: list[tuple[int, str]]
) -> None:
    """What metadata holds is known only when it is there."""
    assert said(text, result) == mistakes


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("room.name == 'x' && metadata.a == 1 && phone(room.name) == ''", []),
        ("kind == 'SIP'", [(0, "`trigger: room_started` has no participant: 'kind' means nothing here")]),
        (
            "participant.name == ''",
            [(0, "`trigger: room_started` has no participant: 'participant.name' means nothing here")],
        ),
        (
            "'a' in participant_metadata",
            [(7, "`trigger: room_started` has no participant: 'participant_metadata' means nothing here")],
        ),
    ],
)
def test_a_rule_for_rooms_knows_no_participant(text: str, mistakes: list[tuple[int, str]]) -> None:
    """`trigger: room_started` has an environment of its own."""
    assert said(text, trigger="room_started") == mistakes


def test_the_text_of_an_error_names_each_mistake() -> None:
    """Without places, as somebody would see it who catches it."""
    with pytest.raises(BadExpression, match=r"unknown name 'a'.*; unknown name 'b'"):
        LANGUAGE.compile("a == b", "participant_joined", Result.CONDITION)


def test_the_fields_are_livekits_own() -> None:
    """By name; and what is secret or changes by itself is none of them."""
    theirs = {field.name for field in models.Room.DESCRIPTOR.fields}
    assert set(ROOM_FIELDS) < theirs
    assert set(PARTICIPANT_FIELDS) < {field.name for field in models.ParticipantInfo.DESCRIPTOR.fields}
    assert {"turn_password", "num_participants", "num_publishers", "active_recording"} <= theirs - set(ROOM_FIELDS)


def test_t5_no_pattern_can_hang() -> None:
    """RE2 takes time in proportion to the text, whatever the pattern."""
    hostile = saying("a" * 60_000 + "!")
    began = time.perf_counter()

    assert judged("room.metadata.matches('^(a+)+$')", hostile) is False
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("room.name == 'x'", ["room.name == 'x'"]),
        ("kind == 'SIP' && room.name == '&& é' && true", ["kind == 'SIP'", "room.name == '&& é'", "true"]),
        ("(kind == 'SIP' && (true || false))", ["kind == 'SIP'", "(true || false)"]),
        ("((true && (false)) && '(' == \")\")", ["true", "(false)", "'(' == \")\""]),
        ("true && true || false", ["true && true || false"]),
        (
            "metadata.?plan.orValue('') == '' && participant.attributes[?'a'].hasValue() && 'a'.matches('')",
            ["metadata.?plan.orValue('') == ''", "participant.attributes[?'a'].hasValue()", "'a'.matches('')"],
        ),
        (
            "{'a': [0, 0u, 0.0, false, null, b'']}.a.size() == 6 && 0 == 0",
            ["{'a': [0, 0u, 0.0, false, null, b'']}.a.size() == 6", "0 == 0"],
        ),
        ("true ? true && false : false", ["true ? true && false : false"]),
        ("[1].all(x, x > 0 && x < 2)", ["[1].all(x, x > 0 && x < 2)"]),
    ],
)
def test_a_condition_has_the_parts_that_and_joins(text: str, parts: list[str]) -> None:
    """The outermost ones, each an expression of its own; together they say what the whole says."""
    whole = LANGUAGE.compile(text, "participant_joined", Result.CONDITION)
    found = list(whole.parts())

    assert [part.text for part in found] == parts
    assert all(part.judge(ROOM, CALLER) for part in found) == whole.judge(ROOM, CALLER)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("true", set()),
        ("room.name == 'a' && kind == 'SIP'", {"room.name", "kind"}),
        (".room.name == 'a'", {"room.name"}),
        ("participant.attributes['x'] == ''", {"participant.attributes"}),
        ("participant.attributes[?'x'].orValue('') == ''", {"participant.attributes"}),
        ("phone(participant.attributes['x']) in [participant.name]", {"participant.attributes", "participant.name"}),
        ("metadata.?plan.orValue('') == ''", {"metadata"}),
        ("has(participant_metadata.plan.name)", {"participant_metadata.plan"}),
        ("participant == participant", {"participant"}),
        ("participant.?name.orValue('') == ''", {"participant"}),
        ("[room].exists(one, one.metadata == '')", {"room", "one.metadata", "@result"}),
        ("{'a': room.sid}.a == (true ? room.name : metadata.name)", {"room.sid", "room.name", "metadata.name"}),
    ],
)
def test_what_an_expression_reads_is_known(text: str, names: set[str]) -> None:
    """A field by its name; a room or a participant that is used whole is read whole."""
    assert LANGUAGE.compile(text, "participant_joined", Result.CONDITION).names() == names


def test_the_same_text_is_compiled_once() -> None:
    """Checking a file and making its rules costs one compilation each."""
    language = Language()
    twice = [language.compile("kind == 'SIP'", "participant_joined", Result.CONDITION) for _ in range(2)]

    assert twice[0] is twice[1]


@pytest.mark.parametrize("trigger", ["participant_joined", "room_started"])
def test_each_room_and_each_person_is_seen_as_they_are(trigger: Trigger) -> None:
    """What a look shares is shared by nobody else: no other room, person or environment."""
    other = saying('{"tenant": "zeta"}')

    assert [judged("metadata.tenant", room, trigger=trigger) for room in (ROOM, other, ROOM)] == [
        "acme",
        "zeta",
        "acme",
    ]
    assert judged("kind") == "SIP"
    assert judged("room.name", trigger="room_started") == "lobby"
    assert judged("participant.identity") == "sip_1"
