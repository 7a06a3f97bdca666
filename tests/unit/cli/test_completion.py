"""`dispatcher completion`: a script that shells take."""

import shutil
import subprocess
from pathlib import Path

import pytest

from dispatcher.cli.main import NAMES, main


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command prints."""
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_has_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Zsh takes bash's, once it is told to."""
    text = script(shell, capsys)
    assert not [name for name in NAMES if f'" {name}")' not in text]
    assert text.startswith("#compdef dispatcher\n") is (shell == "zsh")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("ro", {"rooms"}),
        ("dispatch c", {"create", "cancel"}),
        ("rooms --wa", {"--watch"}),
        ("rooms --watch --state sta", {"starved"}),
        ("dispatch create --room dispatch --wa", {"--wait"}),
        ("completion z", {"zsh"}),
        ("rooms --nothing-like-it", set()),
    ],
)
def test_bash_completes(typed: str, completed: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Commands, their own commands, options, and what an option may be."""
    bash = shutil.which("bash")
    assert bash
    file = tmp_path / "dispatcher"
    file.write_text(script("bash", capsys))
    words = f"dispatcher {typed}".split()
    complete = '_dispatcher; printf "%s\\n" "${COMPREPLY[@]}"'
    asks = f"source {file}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; {complete}"
    done = subprocess.run([bash, "-c", asks], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == completed
    assert done.stderr == ""


def test_a_shell_that_is_none_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are named."""
    with pytest.raises(SystemExit) as ended:
        main(["completion", "dash"])
    assert ended.value.code == 2
    assert "bash" in capsys.readouterr().err
