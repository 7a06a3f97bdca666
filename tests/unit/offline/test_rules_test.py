"""`dispatcher rules test`: what cases may say, what they find, and what is told when they cannot be run."""

import json
from pathlib import Path
from textwrap import dedent

import pytest

from dispatcher.config import load_offline
from dispatcher.core.rules import Rule
from dispatcher.offline import Unusable, project_of, rehearse
from tests.unit.expressions.test_hostile import HOSTILE

RECORDED = Path(__file__).resolve().parents[2] / "recorded"
RULES = """
rules:
  - name: sales-line
    kinds: [SIP]
    when: phone(participant.attributes['sip.trunkPhoneNumber'], 'GB') == '+442079460000'
    agent: {name: sales, deployment: blue}
    metadata: '{"caller": participant.identity, "tenant": metadata.?tenant.orValue("none")}'
    continue: true
  - {name: named, when: has(metadata.agent), agent: {cel: metadata.agent}}
  - name: whatsapp
    when: "'CONNECTOR_WHATSAPP' in participant.kind_details && participant.region.startsWith('eu-')"
    agent: chat
  - {name: scribe, agent: scribe, trigger: room_started, when: room.name == 'noted'}
"""


def rules(folder: Path, text: str = RULES) -> tuple[Rule, ...]:
    """The rules of a file."""
    file = folder / "dispatcher.yaml"
    file.write_text(text)
    config = load_offline(file, {})
    return config.rules_of(project_of(config, None))


def cases(folder: Path, text: str) -> Path:
    """A file of cases."""
    file = folder / "cases.yaml"
    file.write_text(dedent(text))
    return file


def ran(folder: Path, *texts: str) -> tuple[int, list[str]]:
    """What comes of cases, each written as one line."""
    listed = "".join(f"  - {{case: one, {text}}}\n" for text in texts)
    failed, report = rehearse(rules(folder), [cases(folder, f"cases:\n{listed}")])
    return failed, [line.replace(f"{folder}/", "") for line in report]


def refused(folder: Path, text: str) -> list[str]:
    """What is told of cases that cannot be run."""
    with pytest.raises(Unusable) as unusable:
        rehearse(rules(folder), [cases(folder, text)])
    return str(unusable.value).replace(f"{folder}/", "").splitlines()


LINE = "participant: {identity: bob, kind: SIP, attributes: {sip.trunkPhoneNumber: 0044 20 7946 0000}}"
ASKS = """room: {metadata: '{"agent": "x"}'}"""
INSTANT = "joined_at: write an instant with its zone, such as 2026-03-02T18:30:00+01:00"
FIELDS = "write fields, such as {name: value}"
DETAILS = (
    "kind_details: write one of BRIDGE_RTSP, CLOUD_AGENT, CONNECTOR_TWILIO, CONNECTOR_WHATSAPP, FORWARDED, SIMULATION; "
    "did you mean 'CONNECTOR_WHATSAPP'?"
)
KINDS = "AGENT, BRIDGE, CONNECTOR, EGRESS, INGRESS, SIP, STANDARD"


@pytest.mark.parametrize(
    "text",
    [
        f"{LINE}, expect: {{rule: sales-line}}",
        f"{LINE}, expect: {{rule: sales-line, agent: sales, deployment: blue}}",
        f"""{LINE}, expect: {{rule: sales-line, metadata: '{{"tenant": "none",  "caller": "bob"}}'}}""",
        "participant: {kind: SIP}, expect: none",
        f"participant: {{}}, {ASKS}, expect: {{rule: named, agent: x, deployment: '', metadata: ''}}",
        f"{LINE}, {ASKS}, expect: [{{rule: sales-line}}, {{rule: named, agent: x}}]",
        f"participant: {{hidden: true}}, {ASKS}, expect: none",
        "participant: {kind: CONNECTOR, kind_details: [CONNECTOR_WHATSAPP], region: eu-1}, expect: {rule: whatsapp}",
        "participant: {kind: CONNECTOR, kind_details: [CONNECTOR_WHATSAPP], region: us-1}, expect: none",
        f"participant: {{kind: AGENT}}, {ASKS}, expect: none",
        "room: {name: noted}, expect: {rule: scribe}",
        "room: {name: other}, expect: none",
        "expect: none",
    ],
)
def test_a_case_that_holds_is_ok(tmp_path: Path, text: str) -> None:
    """Fields that are not written are not compared; metadata is compared as JSON."""
    assert ran(tmp_path, text) == (0, ["ok    one", "1 cases, 0 failed"])


@pytest.mark.parametrize(
    ("text", "differing"),
    [
        ("expect: {rule: scribe}", [("rule", "scribe", "none")]),
        ("room: {name: noted}, expect: none", [("rule", "none", "scribe")]),
        ("room: {name: noted}, expect: {rule: scrib, agent: x}", [("rule", "scrib", "scribe")]),
        ("room: {name: noted}, expect: {rule: scribe, agent: x}", [("agent", "x", "scribe")]),
        (
            "room: {name: noted}, expect: {rule: scribe, agent: x, deployment: y, metadata: z}",
            [("agent", "x", "scribe"), ("deployment", "y", "none"), ("metadata", "z", "none")],
        ),
        (
            "participant: {}, room: {metadata: '{\"agent\": 7}'}, expect: {rule: named, agent: '7'}",
            [("agent", "7", "none")],
        ),
        (
            "room: {name: noted}, expect: [{rule: scribe}, {rule: named}]",
            [("rule", "scribe, named", "scribe")],
        ),
    ],
)
def test_a_case_that_fails_says_how(tmp_path: Path, text: str, differing: list[tuple[str, str, str]]) -> None:
    """Its name and line, and each field with what was expected and what was found."""
    failed, report = ran(tmp_path, "expect: none", text)

    assert (failed, report[-1]) == (1, "2 cases, 1 failed")
    assert report[1] == "FAIL  one (cases.yaml:3)"
    assert report[2:-1] == [
        f"      {field:<10}  expected {wish}\n                    found    {real}" for field, wish, real in differing
    ]


@pytest.mark.parametrize(
    ("file", "expect"),
    [
        ("05-participant_joined-sip.json", "[{rule: sales-line}, {rule: named, agent: greeter}]"),
        ("02-participant_joined-standard.json", "{rule: named, agent: greeter}"),
        ("06-participant_joined-egress.json", "none"),
        ("10-participant_joined-agent.json", "none"),
        ("15-participant_left-sip-client_initiated.json", "none"),
        ("03-track_published-standard.json", "none"),
        ("01-room_started.json", "none"),
        ("22-room_finished.json", "none"),
    ],
)
def test_a_recorded_webhook_is_a_case(tmp_path: Path, file: str, expect: str) -> None:
    """With its recording around it, or its body alone; the path is from the file of cases."""
    (tmp_path / "whole.json").write_bytes((RECORDED / file).read_bytes())
    (tmp_path / "body.json").write_text(json.loads((RECORDED / file).read_text())["body"])

    for name in ("whole", "body"):
        assert ran(tmp_path, f"event: {name}.json, expect: {expect}")[0] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["cases.yaml: the file is empty"]),
        ("rules: []", ["cases.yaml:1:1: write `cases:` and under it a list of them, and nothing else"]),
        ("cases: []", ["cases.yaml:1:1: write `cases:` and under it a list of them, and nothing else"]),
        ("cases: [{}]", ["cases.yaml:1:9: cases[0].case: missing"]),
        ("cases: [{case: x}]", ["cases.yaml:1:9: cases[0].expect: missing"]),
        ("cases: [x]", [f"cases.yaml:1:9: cases[0]: {FIELDS}"]),
        (
            "cases: [{case: x, expct: none}, {case: y, expect: none, rom: {}}]",
            [
                "cases.yaml:1:9: cases[0]: unknown field 'expct'; did you mean 'expect'?",
                "cases.yaml:1:33: cases[1]: unknown field 'rom'; did you mean 'room'?",
            ],
        ),
        ("cases: [{name: x, expect: none}]", ["cases.yaml:1:9: cases[0]: unknown field 'name'"]),
        (
            "cases: [{case: x, expect: none, room: {nmae: y}}]",
            ["cases.yaml:1:39: cases[0].room: unknown field 'nmae'; did you mean 'name'?"],
        ),
        (
            "cases: [{case: x, expect: none, participant: {kind: sip}}]",
            [f"cases.yaml:1:46: cases[0].participant: kind: write one of {KINDS}; did you mean 'SIP'?"],
        ),
        (
            "cases: [{case: x, expect: none, participant: {kind_details: [WHATSAPP]}}]",
            [f"cases.yaml:1:46: cases[0].participant: {DETAILS}"],
        ),
        *(
            (
                f"cases: [{{case: x, expect: none, participant: {{joined_at: {written}}}}}]",
                [f"cases.yaml:1:46: cases[0].participant: {INSTANT}"],
            )
            for written in ("yesterday", "2026-03-02T18:30:00", "2026-03-02")
        ),
        (
            "cases: [{case: x, expect: none, participant: {attributes: [a]}}]",
            [f"cases.yaml:1:59: cases[0].participant.attributes: {FIELDS}"],
        ),
        (
            "cases: [{case: x, expect: none, room: {metadata: {a: b}}}]",
            ["cases.yaml:1:50: cases[0].room.metadata: write one value, not a list or fields"],
        ),
        ("cases: [{case: x, expect: none, room: x}]", [f"cases.yaml:1:39: cases[0].room: {FIELDS}"]),
        (
            "cases: [{case: x, expect: none, event: [x]}]",
            ["cases.yaml:1:40: cases[0].event: write one value, not a list or fields"],
        ),
        (
            "cases: [{case: x, expect: none, participant: {hidden: perhaps}}]",
            ["cases.yaml:1:55: cases[0].participant.hidden: write true or false"],
        ),
        (
            "cases: [{case: x, expect: }]",
            ["cases.yaml:1:26: cases[0].expect: write none, fields such as {rule: sales}, or a list of them"],
        ),
        (
            "cases: [{case: x, expect: [{agent: x}]}]",
            ["cases.yaml:1:28: cases[0].expect[0].rule: missing"],
        ),
        (
            "cases: [{case: x, expect: nobody}]",
            ["cases.yaml:1:9: cases[0]: expect: write none, or fields such as {rule: sales, agent: sales}"],
        ),
        (
            "cases: [{case: x, expect: none, event: a.json, room: {}}]",
            ["cases.yaml:1:9: cases[0]: an event has its own room and participant"],
        ),
        (
            "cases: [{case: x, expect: none, event: gone.json}]",
            ["cases.yaml:1:40: cases[0].event: gone.json: No such file or directory"],
        ),
        (
            "cases: [{case: x, expect: none, case: y}]",
            ["cases.yaml:1:33: cases[0].case: written twice; first on line 1"],
        ),
    ],
)
def test_cases_that_cannot_be_run_are_told_with_their_places(tmp_path: Path, text: str, said: list[str]) -> None:
    """All of them at once, and none is run."""
    assert refused(tmp_path, text) == said


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{}", "no webhook: Object missing required field `id`"),
        ("not JSON", "no webhook: "),
        (
            '{"id": "EV_1", "event": "participant_joined", "room": {"name": "x", "sid": "RM_1"}}',
            "no webhook: no participant",
        ),
        ('{"id": "EV_1", "event": "ingress_started"}', "ingress_started is about no room"),
    ],
)
def test_a_file_that_is_no_webhook_is_named(tmp_path: Path, body: str, why: str) -> None:
    """With the reason why it cannot be read."""
    (tmp_path / "body.json").write_text(body)
    (line,) = refused(tmp_path, "cases: [{case: x, expect: none, event: body.json}]")

    assert f"cases[0].event: body.json: {why}" in line


def test_the_rules_need_no_livekit_and_no_secret(tmp_path: Path) -> None:
    """In CI there is neither; what is wrong with rules is told all the same."""
    projects = "projects: [{name: eu, keys: {APIx: '${NOPE}'}}, {name: us, url: nonsense}, x]\n"

    assert [rule.name for rule in rules(tmp_path, projects.replace(", x", "") + RULES)] == [
        "sales-line",
        "named",
        "whatsapp",
        "scribe",
    ]
    assert [rule.name for rule in load_offline(None, {"DISPATCHER_AGENT": "greeter"}).rules] == ["default"]
    with pytest.raises(Exception, match=r"projects\[2\]"):
        rules(tmp_path, projects + RULES)


def test_a_project_has_its_own_rules(tmp_path: Path) -> None:
    """The one that is named, else the first; where there is none of that name it is said."""
    file = tmp_path / "dispatcher.yaml"
    file.write_text("projects: [{name: eu, rules: [{name: a, agent: x}]}, {name: us}]\n" + RULES)
    config = load_offline(file, {})

    assert [[rule.name for rule in config.rules_of(project_of(config, name))] for name in (None, "eu", "us")] == [
        ["a"],
        ["a"],
        ["sales-line", "named", "whatsapp", "scribe"],
    ]
    with pytest.raises(Unusable, match="no project is named uss; did you mean 'us'"):
        project_of(config, "uss")


@pytest.mark.parametrize("metadata", [text for text, _ in HOSTILE.values()], ids=HOSTILE)
def test_t3_a_room_with_hostile_metadata_is_a_case_like_others(tmp_path: Path, metadata: str) -> None:
    """The rule that asks for it does not match."""
    webhook = {
        "id": "EV_1",
        "event": "participant_joined",
        "room": {"sid": "RM_1", "name": "x", "metadata": metadata},
        "participant": {"sid": "PA_1", "identity": "a", "state": "ACTIVE"},
    }
    (tmp_path / "body.json").write_text(json.dumps(webhook))

    assert ran(tmp_path, "event: body.json, expect: none")[0] == 0


def test_a_split_is_shown_with_what_falls_to_each_share(tmp_path: Path) -> None:
    """Where it stands in a fallback, too; by what it divides, and that the keys fall as the weights say."""
    split = """
rules:
  - name: fallback-split
    when: has(metadata.agent)
    agent: {cel: metadata.agent}
    fallback: [{split: [{name: a, weight: 3}, {name: b, deployment: canary, weight: 1}], by: participant.identity}]
  - {name: plain, agent: {split: [{name: a, weight: 1}, {name: b, weight: 2}]}}
"""
    file = cases(tmp_path, "cases: [{case: one, participant: {}, expect: {rule: plain}}]")

    assert rehearse(rules(tmp_path, split), [file]) == (
        0,
        [
            "ok    one",
            "split fallback-split, by participant.identity: a 75 % (7,569), b@canary 25 % (2,431) of 10,000 keys",
            "split plain, by room.name: a 33.33 % (3,385), b 66.67 % (6,615) of 10,000 keys",
            "1 cases, 0 failed",
        ],
    )
