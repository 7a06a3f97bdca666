"""What people bring from other languages is told with what CEL has in its place."""

import time

import pytest

from dispatcher.expressions import Result
from tests.unit.expressions.speech import said

QUOTES = "a text has quotes of its own"
PROSE = f"{QUOTES}, inside YAML's, as in \"'hello world'\""
JSON = "is a text: `{0}` is what it says as JSON, as in {0}.tenant"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("room.name = 'x'", "write == to compare"),
        ("room.name === 'x'", "write == to compare"),
        ("room.name <> 'x'", "write !="),
        ("kind == 'SIP' and true", "write && for `and`"),
        ("kind == 'SIP' OR true", "write || for `or`"),
        ("true & true", "write &&"),
        ("true | true", "write ||"),
        ("not true", "write ! for `not`, as in !(kind == 'SIP')"),
        ("not (kind == 'SIP')", "write ! for `not`, as in !(kind == 'SIP')"),
        ("true && not has(metadata.a)", "write ! for `not`, as in !(kind == 'SIP')"),
        ("True", "write true"),
        ("hello world", PROSE),
        ("sales-line", PROSE),
        ("sales", f"{QUOTES}: 'sales'"),
        ("kind == SIP", f"{QUOTES}: 'SIP'"),
        ("room.name == \u201cx\u201d", "write straight quotes, ' or \""),
        ("${X} == 'x'", "no variable of the environment is known here"),
        (
            "participant.attributes.sip.callID == 'x'",
            "an attribute stands in brackets: participant.attributes['sip.callID']",
        ),
        (
            "participant.attributes.sip.x.y == 'x'",
            "an attribute stands in brackets: participant.attributes['sip.x.y']",
        ),
        ("room.metadata.tenant == 'x'", f"room.metadata {JSON.format('metadata')}"),
        ("room.metadata['tenant'] == 'x'", f"room.metadata {JSON.format('metadata')}"),
        ("has(room.metadata.tenant)", f"room.metadata {JSON.format('metadata')}"),
        ("participant.metadata.a == 'x'", f"participant.metadata {JSON.format('participant_metadata')}"),
        ("has(participant.attributes['role'])", "write 'role' in participant.attributes"),
        ("has(metadata)", "has() takes a field, such as has(metadata.tenant)"),
        ("'ptt' in room.name", "write room.name.contains('ptt')"),
        ("phone('1') == +442079460000", "a telephone number is a text: '+442079460000'"),
        ("phone('1') == 442079460000", "put quotes round the number"),
        ("room.name == null", "a text that is not there is ''"),
        ("room == 'lobby'", "write room.name"),
        ("participant == 'bob'", "write participant.identity"),
        ("room.name.matches('^\\d+$')", r"in a text a \ is written twice, or once after an r, as in r'^\d+$'"),
        ("identity == 'bob'", "write participant.identity"),
        ("name == 'bob'", "write room.name or participant.name"),
        ("len(room.name) > 3", "write size()"),
        ("room.name.includes('x')", "write contains()"),
    ],
)
def test_what_another_language_writes_is_told_with_what_cel_has(text: str, hint: str) -> None:
    """One mistake, and the hint at its end."""
    (found,) = said(text)

    assert found[1].endswith(hint)


@pytest.mark.parametrize(
    "text",
    [
        "room.name.length > 1",
        "(1 + 'x').size() > 0",
        "foo.bar == 1",
        "fnord(room.name)",
        "['a']['b'] == 'a'",
        "[room.name] in room.name",
        "room.name ==== 'x'",
    ],
)
def test_what_is_no_habit_has_no_hint_of_one(text: str) -> None:
    """Nothing is guessed."""
    assert not any("; write " in reason and "==" not in reason for _, reason in said(text))
    assert said(text)


@pytest.mark.parametrize("text", ["room.name.matches(r'^\\d+$')", "room.name.matches('^\\\\d+$')", "!(kind == 'SIP')"])
def test_what_the_hints_say_loads(text: str) -> None:
    """Whoever follows them is done."""
    assert said(text) == []


def test_an_agent_that_is_written_as_a_text_without_quotes_is_told_so() -> None:
    """YAML has eaten the only ones."""
    assert said("sales", Result.NAME) == [(0, f"unknown name 'sales'; {QUOTES}: 'sales'")]


@pytest.mark.parametrize(
    "text",
    ["a" + "-a" * 8_000 + ",", "a " * 8_000 + ",", "a" * 16_000 + " == b", "'a' in room.name" + " " * 16_000 + "x"],
)
def test_a_long_mistake_is_told_at_once(text: str) -> None:
    """No hint is looked for in a way that takes longer than the text is long."""
    began = time.process_time()

    assert said(text)
    assert time.process_time() - began < 1
