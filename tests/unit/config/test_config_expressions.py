"""Mistakes in expressions: each at its place inside the YAML, whatever the quotes; and YAML that was meant as CEL."""

from pathlib import Path

import pytest

from dispatcher.core.facts import Participant, Room, RoomSid
from dispatcher.core.rules import Aimed, Target
from tests.unit.config.files import loaded, told

HEAD = "rules:\n- name: all\n  agent: x\n"
FOO = "unknown name 'foo'; a text has quotes of its own: 'foo'"
GOES_ON = "not valid YAML: put quotes round the whole value; it goes on after its own quotes or brackets"
CUT = "; a # after a blank begins a comment: put quotes round the whole expression"
EXPRESSION = "write an expression, and put quotes round it, as in 'room.name == \"lobby\"'"
MAP = 'put quotes round the whole map, and round its texts: \'{"line": "sales"}\''
QUESTION = "not valid YAML: put quotes round a value that holds a ? between { and }"
COLON = "not valid YAML: a second ': ' in one line; put quotes round a value that holds one"
ESCAPE = "not valid YAML: in \"…\" the \\ is YAML's own; write the value in '…'"
UNREAD = "syntax error: token recognition error at: ''a'"
TAG = "tags mean nothing here; put quotes round a value that begins with !"
ROOM = Room(sid=RoomSid("RM_1"), name="lobby", metadata='{"agent": "tutor"}')
SOMEBODY = Participant(sid="PA_1", identity="alice")


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("when: room.name == 'x' && foo", "4:29"),
        ("when:   'room.name == ''x'' && foo'", "4:34"),
        ('when: "room.name == \\"x\\" && foo"', "4:32"),
        ('when: "room.name == \\x22\\u0078\\" && foo"', "4:39"),
        ("when: |\n    room.name == 'x' &&\n      foo", "6:7"),
        ("when: >-\n    room.name == 'x' &&\n    foo", "6:5"),
        ("when: |2-\n    room.name == 'é' && foo", "5:25"),
        ("when: room.name == 'x' &&\n    foo", "5:5"),
        ("when: 'room.name == ''x''\n\n    && foo'", "6:8"),
        ("when: \"room.name == 'x' &&\\\n    \\  \\tfoo\"", "5:10"),
        ("{when: foo}", "4:10"),
    ],
)
def test_a_mistake_is_placed_inside_its_text(tmp_path: Path, field: str, place: str) -> None:
    """At the character in the file, whichever way YAML has it written."""
    text = f"rules:\n- name: all\n  agent: x\n  {field}\n"
    if field.startswith("{"):
        text, place = "rules:\n- {name: all, agent: x, when: foo}\n", "2:31"

    assert told(tmp_path, text) == [f"bad.yaml:{place}: rules[0].when: {FOO}"]


def test_a_mistake_at_the_end_is_placed_after_the_last_character(tmp_path: Path) -> None:
    """It ends too early: there is no character to point at."""
    assert told(tmp_path, f"{HEAD}  when: room.name ==   # why\n") == [
        f"bad.yaml:4:21: rules[0].when: syntax error: it ends too early{CUT}"
    ]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("when: 'x' in participant.attributes", f"4:13: {GOES_ON}"),
        ('when: "x" in participant.attributes', f"4:13: {GOES_ON}"),
        ("when: [1, 2].exists(x, x == 1)", f"4:15: {GOES_ON}"),
        ("agent: {cel: metadata.?b}", f"4:25: {QUESTION}"),
        ("fallback: [{cel: 'x' + room.name}]", f"4:24: {GOES_ON}"),
        ("metadata: {'a': room.name}", f"4:13: rules[0].metadata: {MAP}"),
        ("metadata:\n  \tline: sales", "5:3: not valid YAML: a tab stands here: indent with blanks"),
        ("when: [true]", f"4:9: rules[0].when: {EXPRESSION}"),
        ("when: !has(participant.name)", f"4:9: rules[0].when: {TAG}"),
        ("when: !(room.name == 'x')", f"4:9: rules[0].when: {TAG}"),
        ("when: room.name == 'x' ? true : false", f"4:33: {COLON}"),
        ("when: room.name.matches('a #b')", f"4:27: rules[0].when: {UNREAD}{CUT}"),
        ("when: \"room.name.matches('\\d')\"", f"4:30: {ESCAPE}"),
        ("metadata: room", "4:13: rules[0].metadata: write room.metadata, which passes the room's metadata on"),
    ],
)
def test_yaml_that_was_meant_as_cel_is_told_how_to_write_it(tmp_path: Path, field: str, said: str) -> None:
    """Quotes help, and it is said where."""
    assert told(tmp_path, f"{HEAD}  {field}\n") == [f"bad.yaml:{said}"]


def test_every_expression_of_a_file_is_checked_at_once(tmp_path: Path) -> None:
    """In rules, fallbacks and splits, beside mistakes in other fields; `trigger: room_started` knows no participant."""
    text = """\
rules:
- name: Bad Name
  when: room.nmae == 'x' && kid == 'y'
  agent: {cel: 'metadata.?agent'}
  fallback: [{cel: 1 + 1}, {split: [{name: a, weight: 1}], by: 'true'}]
  metadata: '[1]'
- name: scribe
  trigger: room_started
  when: kind == 'SIP'
  agent: {cel: "'('.matches('(')"}
- name: wrong-shape
  agent: {cel: [x]}
  when: room.name.matches('(')
"""
    name = "write a name of a-z, 0-9, _ and -, at most 64 characters"

    assert told(tmp_path, text) == [
        f"bad.yaml:2:9: rules[0].name: {name}",
        "bad.yaml:3:13: rules[0].when: undefined field 'nmae' of room; did you mean 'name'?",
        "bad.yaml:3:29: rules[0].when: unknown name 'kid'; did you mean 'kind'?",
        "bad.yaml:4:17: rules[0].agent.cel: must be a text; this may be absent: write .orValue('…') after it",
        "bad.yaml:5:20: rules[0].fallback[0].cel: must be a text; this is int",
        "bad.yaml:5:65: rules[0].fallback[1].by: must be a text or a whole number; this is bool",
        "bad.yaml:6:14: rules[0].metadata: must be a map, which becomes JSON, or a text; this is list<int>",
        "bad.yaml:9:9: rules[1].when: `trigger: room_started` has no participant: 'kind' means nothing here",
        "bad.yaml:10:17: rules[1].agent.cel: must be a text; this is bool",
        f"bad.yaml:12:16: rules[2].agent.cel: {EXPRESSION}",
        "bad.yaml:13:27: rules[2].when: invalid regular expression: missing ): (",
    ]


def test_expressions_reach_the_rules(tmp_path: Path) -> None:
    """What is written is what is asked, in its order."""
    rules = loaded(
        tmp_path,
        """
        rules:
          - name: computed
            when: room.name == 'lobby'
            agent: {cel: metadata.agent}
            fallback: [{split: [{name: a, deployment: blue, weight: 1}], by: participant.identity}, b]
            metadata: '{"who": participant.identity}'
          - {name: plain, agent: c}
        """,
    ).rules
    computed, plain = rules

    assert computed.when is not None
    assert computed.when(ROOM, SOMEBODY)
    assert computed.metadata is not None
    assert computed.metadata(ROOM, SOMEBODY) == '{"who":"alice"}'
    assert computed.aim is not None
    assert computed.aim(ROOM, SOMEBODY) == Aimed((Target("tutor"), Target("a", "blue"), Target("b")))
    assert (plain.when, plain.metadata, plain.aim) == (None, None, None)


def test_the_rules_of_projects_are_checked_too(tmp_path: Path) -> None:
    """Wherever a list of rules stands."""
    said = told(tmp_path, "rules: [{name: a, agent: x}]\nprojects: [{name: eu, rules: [{name: b, when: foo}]}]\n")

    assert f"bad.yaml:2:47: projects[0].rules[0].when: {FOO}" in said
