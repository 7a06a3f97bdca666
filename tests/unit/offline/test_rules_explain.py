"""`dispatcher rules explain`: which rule matched a webhook, and which part of the others was false."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.config import load_offline
from dispatcher.offline import Described, Unusable, answers, described, explain
from dispatcher.offline import told as describe
from dispatcher.offline.rules_explain import explain as told
from tests.unit.core.world import only, rule

RECORDED = Path(__file__).resolve().parents[2] / "recorded"
SIP = RECORDED / "05-participant_joined-sip.json"
RULES = """
rules:
  - {name: vip, when: "metadata.?plan.orValue('') == 'gold' && kind == 'SIP' && metadata.level > 3", agent: vip}
  - {name: browsers, kinds: [STANDARD, CONNECTOR], agent: greeter}
  - {name: never, when: 'false', agent: x}
  - {name: scribe, trigger: room_started, agent: scribe}
  - name: line
    when: phone(participant.attributes['sip.trunkPhoneNumber'], 'GB') == '+442079460000'
    agent: {name: sales, deployment: blue}
    metadata: '{"who": participant.identity}'
    continue: true
  - {name: broken, when: metadata.tenant.name == 'acme', agent: x}
  - {name: as-asked, agent: {cel: metadata.nobody}, kinds: [SIP]}
  - {name: everyone-else, agent: greeter}
"""


def lines(folder: Path, file: Path, text: str = RULES) -> list[str]:
    """What is explained of a webhook."""
    (folder / "dispatcher.yaml").write_text(text)
    return list(explain(load_offline(folder / "dispatcher.yaml", {}).rules, file))


def test_each_rule_says_why(tmp_path: Path) -> None:
    """The parts that `&&` joins, the kinds, on what, and what comes after a match is not asked."""
    assert lines(tmp_path, SIP) == [
        "participant_joined in fx-support-42: sip_+441632960961, SIP",
        (
            "  vip            no: false: metadata.?plan.orValue('') == 'gold'; "
            "missing_key in metadata.level > 3 (there is no metadata.level)"
        ),
        "  browsers       no: kind SIP is not one of CONNECTOR, STANDARD",
        "  never          no: false: false",
        "  scribe         no: it is `trigger: room_started`",
        '  line           yes: sales, deployment blue, metadata {"who":"sip_+441632960961"}',
        "  broken         no: invalid_argument in metadata.tenant.name == 'acme'",
        (
            "  as-asked       yes: no agent could be named, the next is tried; "
            "agent gave nothing: missing_key (there is no metadata.nobody)"
        ),
        "  everyone-else  not asked: as-asked matched",
    ]


def test_what_could_not_be_computed_or_read_is_said(tmp_path: Path) -> None:
    """The entries that metadata lacks, and metadata that is no object, once."""
    body = json.loads(json.loads(SIP.read_text())["body"])
    body["room"]["metadata"] = "[1]"
    (tmp_path / "body.json").write_text(json.dumps(body))
    text = """
rules:
  - {name: vip, when: metadata.plan == 'gold', agent: vip}
  - {name: line, agent: sales, metadata: '{"plan": metadata.plan, "who": participant.identity}'}
"""

    assert lines(tmp_path, tmp_path / "body.json", text)[1:] == [
        "  the metadata of the room is not read: no_object",
        "  vip   no: missing_key in metadata.plan == 'gold' (there is no metadata.plan)",
        (
            '  line  yes: sales, metadata {"who":"sip_+441632960961"}; '
            "metadata.plan gave nothing: missing_key (there is no metadata.plan)"
        ),
    ]


def test_a_room_that_starts_asks_the_rules_for_rooms(tmp_path: Path) -> None:
    """And no others."""
    found = lines(tmp_path, RECORDED / "01-room_started.json")

    assert found[0] == "room_started in fx-support-42"
    assert "  scribe         yes: scribe" in found
    assert "  browsers       no: it is `trigger: participant_joined`" in found
    assert "  line           not asked: scribe matched" in found


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("03-track_published-standard.json", "track_published says nothing that a rule uses"),
        ("09-participant_joined-standard.json", "hidden participants never count"),
        ("10-participant_joined-agent.json", "agents never want an agent"),
        ("20-participant_left-standard-client_initiated.json", "they are not in the room: their state is not ACTIVE"),
        ("22-room_finished.json", "the room is over"),
    ],
)
def test_where_no_rule_is_asked_it_is_said_why(tmp_path: Path, file: str, why: str) -> None:
    """One line after the headline."""
    assert lines(tmp_path, RECORDED / file)[1:] == [f"no rule is asked: {why}"]


def test_a_rule_that_came_from_no_file_has_no_parts() -> None:
    """A condition that is a function says no more than no."""
    assert list(told((rule("alice", when=only("alice")),), SIP))[1:] == ["  alice  no: its condition is false"]


def test_no_rules_are_no_lines() -> None:
    """Only what has happened."""
    assert list(told((), SIP)) == ["participant_joined in fx-support-42: sip_+441632960961, SIP"]


def test_the_last_rule_may_go_on() -> None:
    """Then every rule has been asked."""
    going_on = replace(rule("b", kinds=frozenset({"SIP"})), go_on=True)

    assert list(told((going_on, rule("c", kinds=frozenset({"STANDARD"}))), SIP))[1:] == [
        "  b  yes: b",
        "  c  no: kind SIP is not one of STANDARD",
    ]


def test_a_file_that_is_too_large_is_no_webhook(tmp_path: Path) -> None:
    """Cut off at 4 MiB, it is not read to its end."""
    (tmp_path / "large.json").write_text(json.dumps({"body": "x" * (4 * 1024 * 1024)}))

    with pytest.raises(Unusable, match=r"large\.json: no webhook"):
        list(told((), tmp_path / "large.json"))


def test_what_a_dispatch_would_carry_is_hidden_where_it_is_told_to_others() -> None:
    """Its size alone."""
    sends = replace(rule("line"), metadata=lambda _room, _person: "secret")

    assert list(answers((sends,), described(Described(room="lobby")))) == ["line  yes: line, metadata secret"]
    assert list(answers((sends,), described(Described(room="lobby")), reveal=False)) == [
        "line  yes: line, metadata of 6 bytes"
    ]


def test_a_room_that_is_described(tmp_path: Path) -> None:
    """Its metadata, and who has joined it."""
    (tmp_path / "dispatcher.yaml").write_text(RULES)
    caller = Described(
        room="support",
        metadata='{"plan": "gold", "level": 4}',
        identity="sip_44",
        kind="SIP",
        participant_metadata="{}",
        attributes=("sip.trunkPhoneNumber=+442079460000", "odd=a=b"),
    )
    found = list(describe(load_offline(tmp_path / "dispatcher.yaml", {}).rules, described(caller)))

    assert found[:2] == [
        "participant_joined in support: sip_44, SIP",
        "  vip            yes: vip",
    ]
    person = described(caller).person
    assert person is not None
    assert person.attributes["odd"] == "a=b"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (
            Described(room="x", kind="sip"),
            "--kind sip: one of AGENT, BRIDGE, CONNECTOR, EGRESS, INGRESS, SIP, STANDARD",
        ),
        (Described(room="x", attributes=("a=b", "c")), "--attribute c: write key=value"),
        (Described(room="x", attributes=("=b",)), "--attribute =b: write key=value"),
    ],
)
def test_a_description_that_makes_no_sense(wrong: Described, why: str) -> None:
    """Said by the option that is wrong."""
    with pytest.raises(Unusable) as refused:
        described(wrong)
    assert str(refused.value).startswith(why)


def test_which_key_is_missing_is_told_of_each_field(tmp_path: Path) -> None:
    """Of an agent by an expression or by a key, and of a text that is sent."""
    text = """
rules:
  - {name: by-name, agent: {cel: metadata.nobody}, fallback: [{cel: metadata.other}], kinds: [SIP], continue: true}
  - name: split
    agent: {split: [{name: a, weight: 1}, {name: b, weight: 1}], by: metadata.customer}
    kinds: [SIP]
    continue: true
  - {name: whole, agent: a, metadata: metadata.whole, kinds: [SIP]}
"""
    assert [line.partition("; ")[2] for line in lines(tmp_path, SIP, text)[1:]] == [
        "agent gave nothing: missing_key (there is no metadata.nobody, no metadata.other)",
        "agent gave nothing: missing_key (there is no metadata.customer)",
        "metadata gave nothing: missing_key (there is no metadata.whole)",
    ]
