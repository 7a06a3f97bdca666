"""A rule's expressions as the core asks them, and what each does when its expression gives nothing."""

import subprocess
import sys
from collections import Counter
from typing import Literal

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import Participant, Room
from dispatcher.core.rules import Aimed, Policy, Rule, Target
from dispatcher.expressions import (
    Agents,
    Failed,
    FailureReason,
    Metadata,
    Result,
    Split,
    Unread,
    UnreadMetadata,
    When,
    reporting,
)
from tests.unit.expressions.speech import CALLER, LANGUAGE, ROOM, saying

A, B, C = Target("a"), Target("b", "canary"), Target("c")
SHARES = ((95, A), (5, B))
ROOMS = [replace(ROOM, name=f"room-{number}") for number in range(10_000)]


def when(text: str) -> When:
    """A condition."""
    return When("sales", LANGUAGE.compile(text, "participant_joined", Result.CONDITION))


def metadata(text: str) -> Metadata:
    """What a rule sends."""
    return Metadata("sales", LANGUAGE.compile(text, "participant_joined", Result.METADATA))


def named(text: str, *fallback: Target) -> Agents:
    """An agent that is computed, and fallbacks."""
    return Agents("sales", (LANGUAGE.compile(text, "participant_joined", Result.NAME), *fallback))


def split(by: str | None = None, shares: tuple[tuple[int, Target], ...] = SHARES) -> Split:
    """A choice by weight."""
    return Split(shares, LANGUAGE.compile(by, "participant_joined", Result.KEY) if by else None)


def failures(rule: Rule, room: Room = ROOM, person: Participant = CALLER) -> list[tuple[str, str, str]]:
    """What is told when each of a rule's functions is asked."""
    heard: list[Failed | UnreadMetadata] = []
    (rule,) = reporting((rule,), heard.append)
    for function in (rule.when, rule.metadata, rule.aim):
        if function is not None:
            function(room, person)
    told = [one for one in heard if isinstance(one, Failed)]
    assert {(one.rule, one.room) for one in told} <= {("sales", room.name)}
    return [(one.rule, one.field, one.reason) for one in told]


RULE = Rule(name="sales", policy=Policy(targets=(A,)))


@pytest.mark.parametrize(
    ("text", "matches", "counted"),
    [
        ("kind == 'SIP'", True, []),
        ("kind == 'STANDARD'", False, []),
        ("metadata.vip == true", False, []),
        ("metadata.tenant.name == 'x'", False, ["invalid_argument"]),
        ("metadata.tenant + 1 == 2", False, ["no_overload"]),
        ("1 / 0 == 1 || true", True, []),
    ],
)
def test_a_condition_that_fails_is_no_match(text: str, matches: bool, counted: list[str]) -> None:
    """A missing key is ordinary; everything else is counted."""
    condition = when(text)

    assert condition(ROOM, CALLER) is matches
    assert failures(replace(RULE, when=condition)) == [("sales", "when", reason) for reason in counted]


@pytest.mark.parametrize(
    ("text", "sent", "counted"),
    [
        ("room.metadata", ROOM.metadata, []),
        ("'' + room.name", "lobby", []),
        ("{'b': 1, 'a': [null, true, 1.5, 'é']}", '{"a":[null,true,1.5,"é"],"b":1}', []),
        ('{?"tenant": metadata.?tenant, ?"plan": metadata.?plan}', '{"tenant":"acme"}', []),
        ("metadata", '{"n":3,"tenant":"acme"}', []),
        ("metadata.tenant", "acme", []),
        ("metadata.nobody", "", ["missing_key"]),
        ("metadata.n", "", ["wrong_type"]),
        ("dyn(null)", "", ["empty"]),
        ("true ? {'a': metadata.nobody, 'b': 1} : {}", "", ["missing_key"]),
    ],
)
def test_metadata_that_fails_is_empty(text: str, sent: str, counted: list[str]) -> None:
    """A map is JSON with its fields in order; a text is as it is; the agent is dispatched all the same."""
    render = metadata(text)

    assert render(ROOM, CALLER) == sent
    assert failures(replace(RULE, metadata=render)) == [("sales", "metadata", reason) for reason in counted]


@pytest.mark.parametrize(
    ("text", "sent", "counted"),
    [
        ("{'line': 'x', 'caller': phone(metadata.nobody)}", '{"line":"x"}', {"caller": "missing_key"}),
        ("{'n': metadata.n + 1, 'm': metadata.tenant + 1}", '{"n":4}', {"m": "no_overload"}),
        ("{'n': metadata.n + 1, 'm': 1 / 0}", '{"n":4}', {"m": "invalid_argument"}),
        ("{?'a': metadata.?tenant, ?'b': metadata.?x, 'c': metadata.x}", '{"a":"acme"}', {"c": "missing_key"}),
        ("{'a': {'b': metadata.nobody, 'c': {'d': 1}}, 'e': {}}", '{"a":{"c":{"d":1}},"e":{}}', {"a.b": "missing_key"}),
        ("{'a': {'b': metadata.nobody, 'c': 1, 'd': 2}}", '{"a":{"c":1,"d":2}}', {"a.b": "missing_key"}),
        ("{'a': {'b': metadata.nobody}, 'c': 1}", '{"c":1}', {"a.b": "missing_key"}),
        ("{'a': [1, metadata.nobody], 'b': {'c': 1}.c}", '{"b":1}', {"a": "missing_key"}),
        ("{metadata.nobody: 1, room.name: 2}", '{"lobby":2}', {"…": "missing_key"}),
        ("{'room': room, 'sid': room.sid}", '{"sid":"RM_1"}', {"room": "wrong_type"}),
        ("{1: 'a', 'b': 'c'}", '{"b":"c"}', {"…": "wrong_type"}),
        ("{'a': metadata.nobody, 'b': metadata.nobody}", "", {"a": "missing_key", "b": "missing_key"}),
        ("{?'a': metadata.?nobody}", "{}", {}),
    ],
)
def test_of_a_map_what_can_be_computed_is_kept(text: str, sent: str, counted: dict[str, str]) -> None:
    """An entry that gives nothing is left out, and told by its name; in maps inside the map as well."""
    render = metadata(text)

    assert render(ROOM, CALLER) == sent
    assert failures(replace(RULE, metadata=render)) == [
        ("sales", f"metadata.{name}", reason) for name, reason in counted.items()
    ]


def test_of_a_map_that_costs_too_much_the_cheap_entries_are_kept() -> None:
    """They share what one expression may take."""
    long = saying("x" * 60_000)
    render = metadata("{'name': room.name, 'last': room.metadata.replace('y', 'z' + room.metadata)}")

    assert render(long, CALLER) == '{"name":"lobby"}'
    assert failures(replace(RULE, metadata=render), long) == [("sales", "metadata.last", "exhausted")]


@pytest.mark.parametrize(
    ("rule", "whose"),
    [
        (replace(RULE, when=when("metadata.a == 1")), ["room"]),
        (replace(RULE, when=when(".metadata.a == 1 || participant_metadata.b == 2")), ["room", "participant"]),
        (replace(RULE, when=when("kind == 'SIP' && room.metadata == ''")), []),
        (replace(RULE, metadata=metadata("{'a': metadata.a}")), ["room"]),
        (replace(RULE, aim=named("participant_metadata.agent", A)), ["participant"]),
        (replace(RULE, aim=Agents("sales", (split("metadata.a"), A, split()))), ["room"]),
    ],
)
def test_metadata_that_a_rule_cannot_read_is_told(rule: Rule, whose: list[Literal["room", "participant"]]) -> None:
    """Where the rule reads it, with what is wrong with it."""
    told: list[Failed | UnreadMetadata] = []
    (rule,) = reporting((rule,), told.append)
    for function in (rule.when, rule.metadata, rule.aim):
        if function is not None:
            function(saying("[1]"), replace(CALLER, metadata="\ufeff{}"))

    why = {"room": Unread.NO_OBJECT, "participant": Unread.BYTE_ORDER_MARK}
    assert [one for one in told if isinstance(one, UnreadMetadata)] == [
        UnreadMetadata(one, why[one], "lobby", "RM_1") for one in whose
    ]


def test_half_a_character_is_no_unread_metadata() -> None:
    """Nothing on a wire can hold it, and nothing is raised."""
    assert failures(replace(RULE, when=when("metadata.a == 1")), replace(ROOM, name="\ud800")) == [
        ("sales", "when", FailureReason.INVALID_ARGUMENT)
    ]


def test_metadata_over_livekits_limit_is_empty() -> None:
    """LiveKit would refuse the dispatch: 512 KiB."""
    room = saying("x" * (512 * 1024))

    assert metadata("room.metadata")(room, CALLER) == room.metadata
    assert metadata("room.metadata + 'x'")(room, CALLER) == ""
    assert failures(replace(RULE, metadata=metadata("room.metadata + 'x'")), room) == [
        ("sales", "metadata", FailureReason.TOO_LARGE)
    ]


@pytest.mark.parametrize(
    ("given", "aimed"),
    [
        ('{"agent": "tutor"}', Aimed((Target("tutor"), C))),
        ('{"agent": "c"}', Aimed((C,))),
        ("{}", Aimed((C,), ("missing_key",))),
        ('{"agent": null}', Aimed((C,), ("empty",))),
        ('{"agent": ""}', Aimed((C,), ("empty",))),
        ('{"agent": 7}', Aimed((C,), ("wrong_type",))),
        ('{"agent": ["a"]}', Aimed((C,), ("wrong_type",))),
        ('{"agent": "launch:avatar"}', Aimed((C,), ("wrong_type",))),
        ('{"agent": " a"}', Aimed((C,), ("wrong_type",))),
        ('{"agent": "a\\nb"}', Aimed((C,), ("wrong_type",))),
        (f'{{"agent": "{"x" * 65}"}}', Aimed((C,), ("too_large",))),
    ],
)
def test_an_agent_that_is_not_named_is_left_out(given: str, aimed: Aimed) -> None:
    """On to the fallback, and it is told; the same agent twice is one target."""
    agents = named("metadata.agent", C)

    assert agents(saying(given), CALLER) == aimed
    assert failures(replace(RULE, aim=agents), saying(given)) == [("sales", "agent", why) for why in aimed.failed]


@pytest.mark.parametrize(
    ("by", "key"),
    [(None, "lobby"), ("participant.identity", "sip_1"), ("metadata.n", "3"), ("participant.joined_at", "1700000001")],
)
def test_a_split_goes_by_its_key(by: str | None, key: str) -> None:
    """The room's name, or what the expression gives; a whole number is its digits."""
    wide = tuple((1, Target(f"a{number}")) for number in range(1_000))

    assert split(by, wide)(ROOM, CALLER) == split(None, wide).of(key)


@pytest.mark.parametrize(
    ("by", "reason"),
    [("metadata.user", "missing_key"), ("metadata.n == 3 ? '' : 'x'", "empty"), ("dyn(true)", "wrong_type")],
)
def test_a_split_without_a_key_names_nobody(by: str, reason: str) -> None:
    """On to the fallback, as of any agent that is not named."""
    assert Agents("sales", (split(by), C))(ROOM, CALLER) == Aimed((C,), (reason,))


def test_g1_a_split_keeps_its_shares() -> None:
    """5 % of 10,000 rooms, by chi-square at p = 0.001; and of three shares alike."""
    for shares in (SHARES, ((1, A), (2, B), (7, C)), ((999_999_999, A), (999_999_999, B))):
        counts = Counter(split(None, shares)(room, None) for room in ROOMS)
        total = sum(weight for weight, _ in shares)
        square = sum(
            (counts[target] - len(ROOMS) * weight / total) ** 2 / (len(ROOMS) * weight / total)
            for weight, target in shares
        )
        assert square < 13.8, counts


def test_g1_who_has_the_canary_keeps_it_as_its_share_grows() -> None:
    """And nobody else changes sides than those it grows by."""
    shares = [split(None, ((100 - weight, A), (weight, B))) for weight in (1, 5, 20, 50)]
    chosen = [{room.name for room in ROOMS if share(room, None) == B} for share in shares]

    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]


def test_g1_the_same_key_falls_on_the_same_side_in_every_process() -> None:
    """A process with another seed for Python's own hashes, as after a restart or on another replica."""
    program = (
        "from dispatcher.core.rules import Target; from dispatcher.expressions import Split\n"
        "split = Split(((95, Target('a')), (5, Target('b', 'canary'))))\n"
        "print(''.join(split.of(f'room-{number}').agent for number in range(2_000)))"
    )
    ran = [
        subprocess.run([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        for seed in ("1", "2")
    ]
    here = "".join(split()(room, None).agent for room in ROOMS[:2_000])  # type: ignore[union-attr]

    assert [one.stdout.decode().strip() for one in ran] == [here, here]
    assert "b" in here


def test_functions_of_others_are_left_as_they_are() -> None:
    """A rule need not have come from a file."""
    own = replace(RULE, when=lambda _room, _person: True)

    assert reporting((own,), print) == (own,)
    assert own.when is not None
    assert own.when(ROOM, None)


def test_the_same_expression_has_the_same_fingerprint_in_every_process() -> None:
    """Whatever the rule's name; another text, another choice or another share has another."""
    assert when("kind == 'SIP'").fingerprint == replace(when("kind == 'SIP'"), rule="other").fingerprint
    assert when("kind == 'SIP'").fingerprint == "ef2e932b2b87dc95"
    choices = (
        named("metadata.agent"),
        named("metadata.agent", A),
        named("metadata.agent", B),
        Agents("sales", (A, B)),
        Agents("sales", (split(),)),
        Agents("sales", (split("room.name"),)),
        Agents("sales", (split(shares=((90, A), (10, B))),)),
    )
    assert len({one.fingerprint for one in choices} | {when("metadata.agent == ''").fingerprint}) == len(choices) + 1
