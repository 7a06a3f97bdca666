"""Comparisons that are true, or false, for everybody."""

import pytest

from dispatcher.core.facts import PERSON_KINDS
from dispatcher.expressions import Result, doubts
from tests.unit.expressions.speech import LANGUAGE

KINDS = (
    "`kind` is never '{}': it is one of CONNECTOR, SIP, STANDARD; SIP is the telephone, STANDARD a browser or an app"
)
STAR = "* stands for itself here: write {}"
PATTERN = "in a pattern * repeats the character before it: write '^ptt-'"
NUMBER = "phone() gives a + and digits, such as '+442079460000', and this is never equal"


def doubted(text: str, kinds: frozenset[str] = PERSON_KINDS) -> list[tuple[int, str]]:
    """What is doubted of a condition, and where."""
    node = LANGUAGE.compile(text, "participant_joined", Result.CONDITION).node
    return [(mistake.offset, mistake.reason) for mistake in doubts(node, kinds)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kind == 'phone'", [(8, KINDS.format("phone"))]),
        ("'phone' == kind", [(0, KINDS.format("phone"))]),
        ("room.name == 'x' && kind != 'phone'", [(28, KINDS.format("phone"))]),
        ("kind == 'sip'", [(8, "`kind` is never 'sip'; did you mean 'SIP'?")]),
        ("kind in ['SIP', 'phone']", [(8, KINDS.format("phone"))]),
        (
            "kind == 'AGENT'",
            [(8, "nobody of the kind AGENT is asked for here: the rule's `kinds` are CONNECTOR, SIP, STANDARD")],
        ),
        (
            "'WHATSAPP' in participant.kind_details",
            [(0, "kind_details never holds 'WHATSAPP'; did you mean 'CONNECTOR_WHATSAPP'?")],
        ),
        ("phone(participant.identity) == '020 7946 0000'", [(31, NUMBER)]),
        ("room.name == 'ptt-*'", [(13, STAR.format("room.name.startsWith('ptt-')"))]),
        ("room.name in ['lobby', 'ptt-*']", [(13, STAR.format("room.name.startsWith('ptt-')"))]),
        ("room.name.startsWith('ptt-*')", [(21, STAR.format("room.name.startsWith('ptt-')"))]),
        ("participant.identity.endsWith('*-bot')", [(30, STAR.format("participant.identity.endsWith('-bot')"))]),
        ("participant.attributes['a'] == 'x*'", [(31, STAR.format("startsWith('x')"))]),
        ("room.name.matches('ptt-*')", [(18, PATTERN)]),
    ],
)
def test_what_is_the_same_for_everybody_is_doubted(text: str, found: list[tuple[int, str]]) -> None:
    """At the text that is compared, with what to write."""
    assert doubted(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "kind == 'SIP'",
        "kind in ['SIP', 'STANDARD']",
        "'CONNECTOR_WHATSAPP' in participant.kind_details",
        "phone(participant.identity) == '+442079460000' || phone(participant.identity) in ['2001', '']",
        "room.name.matches('^night-[0-9]*$') || room.name.matches('a.*b')",
        "room.name == participant.identity || metadata.?plan.orValue('free') == 'free'",
        "['SIP'].exists(kind_of, kind_of == 'phone')",
    ],
)
def test_what_may_be_meant_is_not_doubted(text: str) -> None:
    """A warning that is none costs the others their readers."""
    assert doubted(text) == []


def test_a_kind_that_the_rule_leaves_out_is_doubted() -> None:
    """It is a kind, and never here."""
    assert doubted("kind == 'SIP'", frozenset({"STANDARD"})) == [
        (8, "nobody of the kind SIP is asked for here: the rule's `kinds` are STANDARD")
    ]
