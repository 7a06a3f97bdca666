"""The launchers of a file."""

from pathlib import Path

import pytest

from dispatcher.config import LauncherSettings
from dispatcher.core.rules import Target
from tests.unit.config.files import loaded, told


def test_a_launcher_is_read_with_its_defaults(tmp_path: Path) -> None:
    """No rules are needed beside it."""
    [one] = loaded(tmp_path, "launchers: {avatar: {command: [python, a.py], limit: 8}}").launchers

    assert one == LauncherSettings(name="avatar", command=("python", "a.py"), limit=8)
    assert (one.cwd, one.token, dict(one.env)) == (None, None, {})


def test_every_field_of_a_launcher_is_read(tmp_path: Path) -> None:
    """Spans and amounts in their units."""
    fields = (
        "command: [a], limit: 2, join_within: 5s, max_life: 1h, stop_within: 0s, env: {MODEL: small}, pass: [PATH],"
        " warm: 1, cwd: /srv, memory_max: 2GiB, on_stop: wait, token: its-own"
    )
    [one] = loaded(tmp_path, f"launchers: {{avatar: {{{fields}}}}}").launchers

    assert (one.join_within, one.max_life, one.stop_within) == (5_000, 3_600_000, 0)
    assert (one.passed, one.warm, one.memory_max, one.on_stop) == (("PATH",), 1, 2 << 30, "wait")
    assert (one.cwd, one.env["MODEL"].get_secret_value()) == (Path("/srv"), "small")
    assert one.token is not None
    assert one.token.get_secret_value() == "its-own"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ("limit: 1", "command"),
        ("command: [], limit: 1", "command"),
        ("command: [''], limit: 1", "command[0]"),
        ("command: [a]", "limit"),
        ("command: [a], limit: 1001", "limit"),
        ("command: [a], limit: 1, max_life: 0s", "max_life"),
        ("command: [a], limit: 1, env: {1A: b}", "env.1A"),
        ("command: [a], limit: 1, memory_max: 64", "memory_max"),
        ("command: [a], limit: 1, on_stop: never", "on_stop"),
    ],
)
def test_what_is_wrong_with_a_launcher_is_named(tmp_path: Path, fields: str, field: str) -> None:
    """With its place."""
    [problem] = told(tmp_path, f"launchers: {{avatar: {{{fields}}}}}")

    assert f"launchers.avatar.{field}" in problem


ASKED = "launchers: {avatar: {urls: ['http://gpu-1:8089', 'https://gpu-2']}}\n"


def test_a_launcher_that_rules_ask_may_run_elsewhere(tmp_path: Path) -> None:
    """Where it is asked is all that is known of it; a launcher may be both."""
    config = loaded(tmp_path, f"{ASKED}rules: [{{name: all, agent: {{launch: avatar}}, fallback: [greeter]}}]")

    assert config.launchers[0].urls == ("http://gpu-1:8089", "https://gpu-2")
    assert config.launchers[0].command == ()
    assert config.rules[0].policy.targets == (Target("", launcher="avatar"), Target("greeter"))
    assert config.warnings == ()
    [both] = loaded(tmp_path, "launchers: {avatar: {command: [a], limit: 1, urls: ['http://a:1']}}").launchers
    assert (both.command, both.urls) == (("a",), ("http://a:1",))


def test_a_side_of_a_split_may_be_a_launcher(tmp_path: Path) -> None:
    """Chosen by weight as the others."""
    split = "{split: [{name: greeter, weight: 1}, {launch: avatar, weight: 9}]}"
    [rule] = loaded(tmp_path, f"{ASKED}rules: [{{name: all, agent: {split}}}]").rules

    assert rule.policy.targets == (Target("greeter"), Target("", launcher="avatar"))
    assert rule.aim is not None


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("agent: {launch: avatr}", "rules[0].agent.launch: no launcher has this name; did you mean 'avatar'?"),
        (
            "agent: {launch: x}",
            "rules[0].agent.launch: no launcher has this name; write it under `launchers`",
        ),
        ("agent: a, fallback: [{launch: x}]", "rules[0].fallback[0].launch: no launcher has this name"),
        ("agent: {split: [{launch: x, weight: 1}]}", "rules[0].agent.split[0].launch: no launcher has this name"),
        ("agent: {launch: own}", "rules[0].agent.launch: launchers.own has no `urls`"),
        ("agent: {launch: avatar, deployment: b}", "rules[0].agent: `deployment` belongs to a name"),
        ("agent: {launch: avatar, name: b}", "rules[0].agent: write a name, or one of"),
        ("agent: {launch: avatar}, worker_type: publisher", "rules[0].worker_type: `publisher` is a type of LiveKit's"),
        ("agent: {launch: avatar}, fallback: [{launch: avatar}]", "rules[0].fallback[0]: this rule asks that agent"),
        ("agent: {split: [{launch: avatar, name: b, weight: 1}]}", "rules[0].agent.split[0]: write {name: …} or"),
        ("agent: {split: [{weight: 1}]}", "rules[0].agent.split[0]: write {name: …} or {launch: …}"),
        ("agent: {split: [{launch: avatar, deployment: b, weight: 1}]}", "rules[0].agent.split[0]: `deployment`"),
        ("agent: 'launch:avatar'", "rules[0].agent: this is how people call a launcher"),
    ],
)
def test_what_is_wrong_with_a_rule_s_launcher_is_named(tmp_path: Path, rule: str, said: str) -> None:
    """With its place."""
    own = ASKED.rstrip("}\n") + "}, own: {command: [a], limit: 1}}\n"
    [problem] = told(tmp_path, f"{own}rules: [{{name: all, {rule}}}]")

    assert said in problem


@pytest.mark.parametrize(
    "url",
    ["gpu-1:8089", "ftp://gpu-1", "http://", "http://a:0", "http://a/launch", "http://u@a", "http://a?b", "http://[a"],
)
def test_where_a_launcher_is_asked_is_an_address_without_a_path(tmp_path: Path, url: str) -> None:
    """The rest is the same for all of them."""
    [problem] = told(tmp_path, f"launchers: {{avatar: {{urls: ['{url}']}}}}")

    assert "launchers.avatar.urls[0]: write http:// or https://, a host and a port" in problem
