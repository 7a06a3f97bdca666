"""The launchers of a file."""

from pathlib import Path

import pytest

from dispatcher.config import LauncherSettings
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
