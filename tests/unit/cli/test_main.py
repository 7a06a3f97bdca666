"""The command line itself: what it says without a command, with a misspelt one, and in each command's help."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.cli.main import NAMES, commands, main

CONFIGURATION = (Path(__file__).parents[3] / "docs/configuration.md").read_text()


def helped(capsys: pytest.CaptureFixture[str], *typed: str) -> str:
    """What the help of a command says."""
    with pytest.raises(SystemExit) as ended:
        main([*typed, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """It is a wrong command line all the same: exit code 2."""
    assert main([]) == 2
    said = capsys.readouterr().err
    assert [name for name in NAMES if not re.search(rf"^    {name}\b", said, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("serv", "no command is called 'serv'; did you mean 'serve'?"),
        ("sendtest", "no command is called 'sendtest'; did you mean 'send-test'?"),
        ("fnord", "no command is called 'fnord'"),
        ("\x1b[2J", r"no command is called '\x1b[2J'"),
    ],
)
def test_a_misspelt_command_is_told_the_nearest(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """If one is near."""
    with pytest.raises(SystemExit) as ended:
        main([typed])

    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"dispatcher: error: {said}\n")


@pytest.mark.parametrize("typed", [*NAMES, "rules test", "rules explain", "dispatch create", "dispatch cancel"])
def test_each_help_has_an_example_that_can_be_typed(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the command itself, with options that it has; and it names the variables that it reads."""
    text = helped(capsys, *typed.split())
    example = re.search(r"^example:\n  dispatcher (.+)$", text, re.MULTILINE)

    assert example
    words = shlex.split(example[1].partition(" > ")[0])
    assert words[0] == typed.split(maxsplit=1)[0]
    assert [word for word in words if word.startswith("--") and word not in text] == []
    assert ("environment" in text) == (typed not in {"completion", "demo", "schema", "replay"})


def test_every_variable_that_a_help_names_is_documented() -> None:
    """In docs/configuration.md."""
    named = {variable for command in commands() for variable in command.READS}

    assert named
    assert {variable for variable in named if f"`{variable}`" not in CONFIGURATION} == set()


@pytest.mark.slow("a process for each command")
@pytest.mark.parametrize(
    "typed", ["agents", "dispatch", "explain", "launches", "look", "pause", "resume", "retry", "rooms"]
)
def test_a_command_that_asks_a_service_does_not_load_the_service(typed: str) -> None:
    """It would take a second more."""
    assert loaded(typed) & {"dispatcher.app", "dispatcher.engine", "dispatcher.ledger.redis.client", "redis"} == set()


def test_a_service_without_redis_does_not_load_its_client() -> None:
    """A quarter of a second, and 24 MB."""
    assert "redis" not in loaded("serve")


def loaded(typed: str) -> set[str]:
    """The modules that are there once the command is known."""
    program = f"import sys; from dispatcher.cli.main import commands; list(commands(['{typed}'])); print(*sys.modules)"
    modules = set(subprocess.check_output([sys.executable, "-c", program], text=True).split())
    assert f"dispatcher.cli.{typed}" in modules
    return modules
