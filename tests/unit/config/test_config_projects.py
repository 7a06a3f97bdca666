"""Several projects: what holds in all of them, what in one alone, and what is told of a mistake there."""

from pathlib import Path

import pytest

from dispatcher.config import ApiRateLimit, Config, ProbeSettings, endpoint, load_offline
from dispatcher.core.rules import Target
from tests.unit.config.files import CONNECTION, RULE, loaded, told, written

HEAD = "defaults: {attempts: 2, min_stay: 1s}\npaused: [greeter]\napi_rate_limit: {calls_per_second: 20}\n" + RULE
KEYS = {"eu": "url: wss://eu, keys: {APIeu: one}", "us": "url: wss://us, keys: {APIus: two}"}
LIMIT = "write null, or {calls_per_second: 20}"


def two(folder: Path, eu: str, head: str = HEAD) -> Config:
    """A service with two projects, of which eu says this of itself."""
    return loaded(folder, f"{head}projects:\n- {{name: eu, {KEYS['eu']}{eu}}}\n- {{name: us, {KEYS['us']}}}\n", {})


def limits(config: Config) -> list[list[tuple[str, int, int]]]:
    """Of each project its rules, their attempts and `min_stay`."""
    every = [config.rules_of(project) for project in config.projects]
    return [[(rule.name, rule.policy.attempts, rule.policy.min_stay) for rule in rules] for rules in every]


def test_what_stands_outside_the_projects_holds_in_all_of_them(tmp_path: Path) -> None:
    """Rules, defaults, pauses, the limit of calls."""
    config = two(tmp_path, "")

    assert limits(config) == [[("all", 2, 1_000)]] * 2
    assert [project.paused for project in config.projects] == [{"greeter"}] * 2
    assert [project.api_rate_limit for project in config.projects] == [ApiRateLimit(calls_per_second=20, burst=8)] * 2


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        ("", ("all", 2, 1_000)),
        (", rules: [{name: own, agent: greeter}]", ("own", 2, 1_000)),
        (", defaults: {attempts: 5}", ("all", 5, 1_000)),
        (", defaults: {attempts: 5}, rules: [{name: own, agent: greeter, min_stay: 0s}]", ("own", 5, 0)),
    ],
)
def test_a_projects_own_rules_and_defaults_hold_there_alone(
    tmp_path: Path, said: str, rules: tuple[str, int, int]
) -> None:
    """Rules replace those of all, a default its namesake; each rule's own limits win."""
    assert limits(two(tmp_path, said)) == [[rules], [("all", 2, 1_000)]]


def test_a_name_is_paused_everywhere_or_in_one_project(tmp_path: Path) -> None:
    """What is paused for all is paused there too."""
    config = two(tmp_path, ", rules: [{name: own, agent: sales, fallback: [greeter]}], paused: [sales]")

    assert [project.paused for project in config.projects] == [{"greeter", "sales"}, {"greeter"}]


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        ("api_rate_limit: null", None),
        ("api_rate_limit: {calls_per_second: 4, burst: 4}", ApiRateLimit(calls_per_second=4, burst=4)),
    ],
)
def test_a_projects_own_limit_holds_there(tmp_path: Path, said: str, limit: ApiRateLimit | None) -> None:
    """Be it none at all."""
    config = two(tmp_path, f", {said}")

    assert [project.api_rate_limit for project in config.projects] == [limit, ApiRateLimit(calls_per_second=20)]


def test_rules_in_every_project_are_rules_enough(tmp_path: Path) -> None:
    """Where one has none, somebody must say which agent it gets."""
    own = "rules: [{name: own, agent: x}]"
    every = f"projects: [{{name: eu, {KEYS['eu']}, {own}}}, {{name: us, {KEYS['us']}, {own}}}]"

    assert limits(loaded(tmp_path, every, {})) == [[("own", 3, 5_000)]] * 2
    assert told(tmp_path, f"projects: [{{name: eu, {KEYS['eu']}, {own}}}, {{name: us, {KEYS['us']}}}]", {}) == [
        "bad.yaml:1:1: rules: missing; write a rule, or set DISPATCHER_AGENT to your agent's name"
    ]


def test_an_agent_of_the_environment_is_under_the_projects_defaults(tmp_path: Path) -> None:
    """And contradicts rules wherever they stand."""
    environ = CONNECTION | {"DISPATCHER_AGENT": "greeter"}
    config = loaded(tmp_path, "projects: [{name: eu, defaults: {attempts: 7}}]", environ)

    assert limits(config) == [[("default", 7, 5_000)]]
    assert told(tmp_path, "projects: [{rules: [{name: own, agent: x}]}]", environ) == [
        "environment: DISPATCHER_AGENT: bad.yaml has rules; unset it, or take them out"
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("rules: []", "rules: write at least one"),
        ("rules: [{name: a, agnet: x}]", "rules[0].agent: missing"),
        ("rules: [{name: a, agent: x, prioriti: 1}]", "rules[0].prioriti: unknown field"),
        ("rules: [{name: a, agent: {nmae: x, name: y}}]", "rules[0].agent.nmae: unknown field; did you mean 'name'?"),
        ("rules: [{name: a, agent: x}, {name: a, agent: y}]", "rules[1].name: projects[0].rules[0] has the same name"),
        (
            "rules: [{name: a, agent: x, trigger: room_started, per: participant}]",
            "rules[0].per: `trigger: room_started` has no participant yet; leave out `per`, or `trigger`",
        ),
        ("rules: [{name: a, agent: x, fallback: [x]}]", "rules[0].fallback[0]: this rule asks that agent already"),
        ("defaults: {attemps: 1}", "defaults.attemps: unknown field; did you mean 'attempts'?"),
        ("paused: [' x']", "paused[0]: write the name your agent registers under, not empty, without spaces around it"),
        ("paused: x", "paused: write a list, such as [one, two]"),
        ("api_rate_limit: on", f"api_rate_limit: {LIMIT}"),
        ("api_rate_limit:", "api_rate_limit: has no value"),
        ("api_rate_limit: {}", "api_rate_limit.calls_per_second: missing"),
        (
            "api_rate_limit: {calls_per_second: 3}",
            "api_rate_limit.calls_per_second: write a whole number from 4 to 10000",
        ),
        (
            "api_rate_limit: {calls_per_second: 4, burst: 3}",
            "api_rate_limit.burst: write a whole number from 4 to 1000",
        ),
        (
            "api_rate_limit: {calls_per_second: 4, bursts: 3}",
            "api_rate_limit.bursts: unknown field; did you mean 'burst'?",
        ),
    ],
)
def test_a_mistake_in_a_project_is_told_as_elsewhere(tmp_path: Path, said: str, reason: str) -> None:
    """With the project before the field."""
    lines = told(tmp_path, f"{RULE}projects:\n- {{url: wss://eu, keys: {{APIeu: one}}, {said}}}\n", {})

    assert f"projects[0].{reason}" in [line.partition(": ")[2] for line in lines]


def test_a_pause_that_names_nobody_is_a_warning(tmp_path: Path) -> None:
    """Who mistypes a name pauses nobody, and reads it, with the name that was meant."""
    own = ", rules: [{name: own, agent: sales}], paused: [slaes, greeter]"
    warnings = two(tmp_path, own, "paused: [greetr, sales]\n" + RULE).warnings

    assert [(warning.field, warning.reason) for warning in warnings] == [
        ("paused[0]", "no rule asks for this agent; did you mean 'greeter'?"),
        ("projects[0].paused[0]", "no rule asks for this agent; did you mean 'sales'?"),
        ("projects[0].paused[1]", "no rule asks for this agent"),
    ]


def test_a_rule_of_a_project_that_can_never_match_is_a_warning(tmp_path: Path) -> None:
    """At its place; those of all are judged by themselves."""
    warnings = two(tmp_path, ", rules: [{name: a, agent: x}, {name: b, agent: y}]", RULE).warnings

    assert [warning.field for warning in warnings] == ["projects[0].rules[1].name"]
    assert all(warning.line == 3 for warning in warnings)


@pytest.mark.parametrize(
    ("said", "masked"), [("", False), ("redact_identities: false", False), ("redact_identities: true", True)]
)
def test_identities_are_shown_unless_masked(tmp_path: Path, said: str, masked: bool) -> None:
    """One field, true or false."""
    assert loaded(tmp_path, RULE + said).redact_identities == masked
    assert told(tmp_path, f"{RULE}redact_identities: yes") == ["bad.yaml:2:20: redact_identities: write true or false"]


def test_the_documented_example_is_a_configuration(tmp_path: Path) -> None:
    """Without a warning; one project has the rules of all, the other its own."""
    document = (Path(__file__).resolve().parents[3] / "docs" / "projects.md").read_text()
    sample = document.partition("```yaml\n")[2].partition("```")[0].replace("/run/secrets", str(tmp_path))
    (tmp_path / "eu").write_text("secret")
    config = loaded(tmp_path, sample, {"US_SECRET": "secret"})

    assert config.warnings == ()
    assert [[rule.name for rule in config.rules_of(project)] for project in config.projects] == [
        ["all"],
        ["front-desk"],
    ]
    assert [rule.name for rule in config.rules_in_force] == ["all", "front-desk"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("wss://eu.example", "https://EU.example:443/", True),
        ("ws://eu.example/livekit", "http://eu.example:80/livekit", True),
        ("ws://[::1]:7880", "http://[::1]:7880", True),
        ("ws://eu.example", "wss://eu.example", False),
        ("wss://eu.example", "wss://us.example", False),
        ("ws://localhost:7880", "ws://localhost:7881", False),
        ("wss://eu.example/a", "wss://eu.example/b", False),
    ],
)
def test_a_place_is_one_however_its_url_is_written(one: str, other: str, same: bool) -> None:
    """Host, port and path say where a LiveKit is."""
    assert (endpoint(one) == endpoint(other)) == same


def test_what_needs_no_livekit_minds_no_url(tmp_path: Path) -> None:
    """Rules are tried with the file of production, whatever its projects' URLs are."""
    file = written(tmp_path, RULE + "projects: [{name: a, url: 'ws://a'}, {name: b, url: 'ws://a'}, {name: c}]\n")

    assert [project.name for project in load_offline(file, {}).projects] == ["a", "b", "c"]


def test_who_is_probed_is_said_for_all_projects_or_by_each(tmp_path: Path) -> None:
    """A project's own takes the place of what holds everywhere, be it none."""
    config = loaded(
        tmp_path,
        """
        rules: [{name: all, agent: greeter}, {name: sales, agent: {name: sales, deployment: blue}}]
        probe: {every: 2m, agents: [greeter, {name: sales, deployment: blue}, greeter]}
        projects:
        - {name: eu, url: wss://eu.example, keys: {APIeu: hush}}
        - {name: us, url: wss://us.example, keys: {APIus: hush}, probe: {agents: [greeter]}}
        - {name: uk, url: wss://uk.example, keys: {APIuk: hush}, probe: null}
        """,
        {},
    )

    assert [project.probe for project in config.projects] == [
        ProbeSettings(every=120_000, targets=(Target("greeter"), Target("sales", "blue"))),
        ProbeSettings(every=60_000, targets=(Target("greeter"),)),
        None,
    ]
    assert config.named == {Target("greeter"), Target("sales", "blue")}
    assert [warning for warning in config.warnings if "probe" in warning.field] == []


def test_whoever_is_probed_in_vain_is_warned_of(tmp_path: Path) -> None:
    """A misspelt name, and workers that an empty room gives no job."""
    config = loaded(
        tmp_path,
        """
        rules: [{name: all, agent: greeter}, {name: seen, agent: viewer, worker_type: publisher, kinds: [SIP]}]
        probe: {agents: [gretaer, {name: viewer}, greeter]}
        """,
    )

    told = [(warning.field, warning.reason) for warning in config.warnings if "probe" in warning.field]
    assert told == [
        ("probe.agents[0]", "no rule asks for this agent; did you mean 'greeter'?"),
        ("probe.agents[1]", "its workers serve publishers, and nobody publishes in a probe's room"),
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("{every: 60s}", "bad.yaml:2:8: probe.agents: missing"),
        ("{agents: []}", "bad.yaml:2:17: probe.agents: write at least one"),
        ("{agents: [a], every: 29s}", "bad.yaml:2:29: probe.every: must be from 30s to 1h"),
        ("true", "bad.yaml:2:8: probe: write null, or {every: 60s, agents: [greeter]}"),
        ("{agents: [{deployment: blue}]}", "bad.yaml:2:18: probe.agents[0].name: missing"),
        ("", "bad.yaml:2:7: probe: has no value"),
    ],
)
def test_a_probe_says_whom(tmp_path: Path, fields: str, said: str) -> None:
    """And not oftener than a probe takes."""
    assert told(tmp_path, f"{RULE}probe: {fields}\n") == [said]
