"""What no single field shows, and that everything is told at once."""

from pathlib import Path

import pytest

from tests.unit.config.files import CONNECTION, RULE, loaded, told

MISTAKES = """\
instance: Blue
projects:
  - {name: eu, url: eu.example, keys: {APIabc: '${NOPE}'}}
  - {name: eu, keys: {APIabc: two}}
rules:
  - name: a
    agnet: sales
    kinds: [SIP, AGENT]
    trigger: room_started
    per: participant
  - name: a
    agent: {name: x}
    agent: y
    fallback: [z, z]
  - greeter
  - {name: [], agent: [], fallback: [{name: []}]}
defaults: {attempts: 3, confirm_within: 12}
"""
REPORT = [
    "bad.yaml:1:11: instance: write a name of a-z, 0-9, _ and -, at most 64 characters",
    "bad.yaml:3:21: projects[0].url: write a URL such as wss://example.livekit.cloud or http://localhost:7880",
    "bad.yaml:3:48: projects[0].keys.APIabc: ${NOPE} is not set in the environment",
    "bad.yaml:4:5: projects[1].url: missing",
    "bad.yaml:4:12: projects[1].name: projects[0] has the same name",
    "bad.yaml:4:31: projects[1].keys.APIabc: already a key of projects[0]",
    "bad.yaml:6:5: rules[0].agent: missing",
    "bad.yaml:7:5: rules[0].agnet: unknown field; did you mean 'agent'?",
    "bad.yaml:8:18: rules[0].kinds[1]: AGENT participants never want an agent",
    "bad.yaml:10:10: rules[0].per: `trigger: room_started` has no participant yet; leave out `per`, or `trigger`",
    "bad.yaml:11:11: rules[1].name: rules[0] has the same name",
    "bad.yaml:13:5: rules[1].agent: written twice; first on line 12",
    "bad.yaml:14:19: rules[1].fallback[1]: this rule asks that agent already",
    "bad.yaml:15:5: rules[2]: write fields, such as {name: value}",
    "bad.yaml:16:12: rules[3].name: write one value, not a list or fields",
    "bad.yaml:16:23: rules[3].agent: write fields, such as {name: value}",
    "bad.yaml:16:45: rules[3].fallback[0].name: write one value, not a list or fields",
    "bad.yaml:17:41: defaults.confirm_within: write a duration with its unit, such as 10s, 500ms or 1m30s",
    "environment: DISPATCHER_PORT: write a whole number from 0 to 65535",
    "environment: DISPATCHER_AGENT: bad.yaml has rules; unset it, or take them out",
]
ONE_LIVEKIT = "the LiveKit of projects[0]: each room would get two agents; write one project with all its keys"
UNUSED = "never used: the rules before it always match first"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "rules: [{name: a, agent: x}, {name: b, agent: x, kinds: [SIP]}, {name: a, agent: y}]",
            ["1:72: rules[2].name: rules[0] has the same name"],
        ),
        (
            RULE + "projects: [{url: 'ws://a', keys: {a: b}}, {url: 'ws://b', keys: {c: d}}]",
            ["2:43: projects[1].name: projects[0] has the same name"],
        ),
        (
            RULE + "projects: [{name: a, url: 'ws://a', keys: {k: x}}, {name: b, url: 'ws://b', keys: {k: x}}]",
            ["2:87: projects[1].keys.k: already a key of projects[0]"],
        ),
        (
            RULE + "projects: [{name: a, url: 'ws://a', keys: {k: x}}, {name: b, url: 'http://A:80/', keys: {l: x}}]",
            [f"2:67: projects[1].url: {ONE_LIVEKIT}"],
        ),
        (
            "rules: [{name: a, agent: x, trigger: room_started, per: participant}]",
            [
                "1:57: rules[0].per: `trigger: room_started` has no participant yet; leave out `per`, or `trigger`",
            ],
        ),
        (
            "rules: [{name: a, agent: x, fallback: [y, x]}]",
            ["1:43: rules[0].fallback[1]: this rule asks that agent already"],
        ),
        (
            "rules: [{name: a, agent: {name: x, deployment: d}, fallback: [x, {name: x}, {name: x, deployment: d}]}]",
            [
                "1:66: rules[0].fallback[1]: this rule asks that agent already",
                "1:77: rules[0].fallback[2]: this rule asks that agent already",
            ],
        ),
    ],
)
def test_a_contradiction_is_told_at_the_second_place(tmp_path: Path, text: str, said: list[str]) -> None:
    """Names, keys and targets once each; and no agent for each participant where there is none yet."""
    environ = {} if "projects" in text else CONNECTION

    assert told(tmp_path, text, environ) == [f"bad.yaml:{line}" for line in said]


def test_everything_is_told_at_once_and_in_order(tmp_path: Path) -> None:
    """The file's lines from first to last, whoever found the problem, then the environment's variables."""
    assert told(tmp_path, MISTAKES, {"DISPATCHER_PORT": "x", "DISPATCHER_AGENT": "x"}) == REPORT


def test_a_file_that_cannot_be_read_hides_no_mistake_in_the_environment(tmp_path: Path) -> None:
    """Only what depends on the file is left unsaid."""
    assert told(tmp_path, "", {"DISPATCHER_PORT": "x"}) == [
        "bad.yaml: the file is empty",
        "environment: DISPATCHER_PORT: write a whole number from 0 to 65535",
    ]


@pytest.mark.parametrize(
    ("rules", "unused"),
    [
        ("[{name: a}, {name: b}]", ["b"]),
        ("[{name: a, continue: true}, {name: b}]", []),
        ("[{name: a, kinds: [SIP]}, {name: b}]", []),
        ("[{name: a}, {name: b, kinds: [SIP]}]", ["b"]),
        ("[{name: a}, {name: b, kinds: [INGRESS]}]", []),
        ("[{name: a, kinds: [SIP]}, {name: b, kinds: [STANDARD]}, {name: c, kinds: [SIP, STANDARD]}]", ["c"]),
        ("[{name: a}, {name: b, per: participant, continue: true}]", ["b"]),
        ("[{name: a}, {name: b, trigger: room_started}]", []),
        ("[{name: a, trigger: room_started}, {name: b, trigger: room_started, continue: true}]", ["b"]),
        ("[{name: a, trigger: room_started, continue: true}, {name: b, trigger: room_started}, {name: c}]", ["c"]),
        ("[{name: a, trigger: room_started}, {name: b}]", ["b"]),
        ("[{name: a, trigger: room_started}, {name: b, per: participant}]", []),
        ("[{name: a, trigger: room_started}, {name: b, continue: true}]", []),
    ],
)
def test_a_rule_that_can_never_match_is_a_warning(tmp_path: Path, rules: str, unused: list[str]) -> None:
    """A person matches the first rule for them; a room has one agent of all its `per: room` rules."""
    warnings = loaded(tmp_path, f"rules: {rules.replace('{', '{agent: x, ')}").warnings

    assert [warning.field for warning in warnings] == [f"rules[{'abc'.index(name)}].name" for name in unused]
    assert {warning.reason for warning in warnings} <= {UNUSED}
    assert all(warning.line == 1 and warning.column > 1 for warning in warnings)


SIP_LINE = """{name: line, agent: x, kinds: [SIP], when: "room.name != ''"}"""
ATTRIBUTE = """{name: line, agent: x, when: "'sip.ruleID' in participant.attributes"}"""
TOLD = """{name: line, agent: x, when: "kind == 'SIP'", metadata: "participant.attributes['sip.callID']"}"""


@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        ("[{name: a, agent: x}]", []),
        (f"[{SIP_LINE}]", []),
        (f"[{SIP_LINE}, {{name: a, agent: x}}]", ["rules[1].name"]),
        (f"[{ATTRIBUTE}, {{name: a, agent: x}}]", ["rules[1].name"]),
        (f"[{TOLD}, {{name: a, agent: x}}]", ["rules[1].name"]),
        (f"[{SIP_LINE}, {{name: a, agent: x, kinds: [STANDARD, CONNECTOR]}}]", []),
        (f"[{SIP_LINE}, {{name: a, agent: x, trigger: room_started}}]", []),
        ("[{name: a, agent: x, kinds: [SIP]}]", ["rules[0].name"]),
    ],
)
def test_a_rule_for_everybody_on_the_telephone_is_a_hint(tmp_path: Path, rules: str, fields: list[str]) -> None:
    """Where rules say something of telephones, and one of them has no condition."""
    config = loaded(tmp_path, f"rules: {rules}")

    assert [hint.field for hint in config.hints] == fields
    assert all("sip.ruleID" in hint.reason for hint in config.hints)
    assert config.warnings == ()


def test_the_rules_of_a_project_have_hints_too(tmp_path: Path) -> None:
    """At their place in the file."""
    projects = f"projects: [{{rules: [{SIP_LINE}, {{name: a, agent: x}}]}}]"

    assert [(hint.line, hint.field) for hint in loaded(tmp_path, projects).hints] == [(1, "projects[0].rules[1].name")]


@pytest.mark.parametrize(("name", "odd"), [("blue", False), ("blue-2", False), ("blue_2", True), ("v1.2", True)])
def test_a_deployment_that_some_servers_refuse_is_warned_of(tmp_path: Path, name: str, *, odd: bool) -> None:
    """It may be what its workers register with all the same."""
    config = loaded(tmp_path, f"rules: [{{name: a, agent: {{name: x, deployment: {name}}}}}]")

    assert [warning.field for warning in config.warnings] == ["rules[0].agent.deployment"] * odd
    assert config.rules[0].policy.targets[0].deployment == name


def test_production_is_the_deployment_without_a_name(tmp_path: Path) -> None:
    """As LiveKit Cloud calls it: so the two are one target."""
    config = loaded(tmp_path, "rules: [{name: a, agent: {name: x, deployment: production}}]")
    assert config.rules[0].policy.targets[0].deployment == ""
    twice = told(tmp_path, "rules: [{name: a, agent: {name: x, deployment: production}, fallback: [x]}]")
    assert "this rule asks that agent already" in "".join(twice)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (
            "[{name: a, token: x, scopes: [read]}, {name: a, token: y, scopes: [read]}]",
            "2:58: api_tokens[1].name: api_tokens[0] has the same name",
        ),
        (
            "[{name: a, token: x, scopes: [admin], projects: [defualt]}]",
            "2:62: api_tokens[0].projects[0]: unknown project; did you mean 'default'?",
        ),
        (
            "[{name: a, token: x, scopes: [write]}]",
            "2:43: api_tokens[0].scopes[0]: write 'read', 'dispatch' or 'admin'",
        ),
        ("[{name: a, token: x, scopes: []}]", "2:42: api_tokens[0].scopes: write at least one"),
    ],
)
def test_a_token_that_would_be_of_no_use_is_told(tmp_path: Path, tokens: str, said: str) -> None:
    """Its name is what the timeline shows, its scopes and projects what it may do and see."""
    assert told(tmp_path, f"{RULE}api_tokens: {tokens}", CONNECTION) == [f"bad.yaml:{said}"]


@pytest.mark.parametrize(
    ("ui", "says"),
    [
        ("maybe", "ui: write true or false"),
        ("{trust_header: X-User}", "ui.trust_header: name the proxies that set it, too: proxies: [10.0.0.7]"),
        ("{proxies: [10.0.0.7]}", "ui.proxies: name the header that they set, too: trust_header: X-Forwarded-User"),
        (
            "{trust_header: Authorization, proxies: [10.0.0.7]}",
            "ui.trust_header: write the name of a header that your proxy sets, such as X-Forwarded-User",
        ),
        (
            "{trust_header: X-User, proxies: [proxy]}",
            "ui.proxies[0]: write an address or a network, such as 10.0.0.7 or 10.1.0.0/16",
        ),
        (
            "{trust_header: X-User, proxies: [0.0.0.0/0]}",
            "ui.proxies[0]: everybody would be a proxy; write your proxies' own addresses",
        ),
    ],
)
def test_whom_the_page_trusts_is_said_whole(tmp_path: Path, ui: str, says: str) -> None:
    """A header alone would be anybody's, and a network of all addresses is none."""
    assert [line.split(": ", 1)[1] for line in told(tmp_path, f"ui: {ui}\n{RULE}")] == [says]


def test_the_page_is_said_short_or_with_fields(tmp_path: Path) -> None:
    """`false` is `enabled: false`; a header has its proxies and what they may do."""
    fields = "{trust_header: X-User, proxies: [10.0.0.7, 'fd00::/8'], scopes: [read, dispatch]}"
    trusted = loaded(tmp_path, f"ui: {fields}\n{RULE}").ui

    assert not loaded(tmp_path, f"ui: false\n{RULE}").ui.enabled
    assert (trusted.trust_header, [str(one) for one in trusted.proxies]) == ("X-User", ["10.0.0.7/32", "fd00::/8"])
    assert trusted.scopes == {"read", "dispatch"}
