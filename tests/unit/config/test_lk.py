"""A project of lk's, LiveKit's own command, as the connection."""

from pathlib import Path

import pytest

from dispatcher.config import BadConfig, load
from dispatcher.config.lk import LK_FILE, with_lk_project
from tests.unit.config.files import CONNECTION

AGENT = {"DISPATCHER_AGENT": "greeter"}
WRITTEN = """\
default_project: staging
projects:
    - name: staging
      project_id: p_1
      url: wss://staging.livekit.example
      api_key: APIstaging
      api_secret: hush-staging
    - name: live
      url: wss://live.livekit.example
      api_key: APIlive
      api_secret: hush-live
    - name: half
      url: wss://half.livekit.example
device_name: laptop
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with lk's file, which nobody else may read; the working directory is an empty one."""
    file = tmp_path / LK_FILE
    file.parent.mkdir()
    file.write_text(WRITTEN)
    file.chmod(0o600)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return tmp_path


def refused(home: Path, name: str, path: Path | None = None, **environ: str) -> list[str]:
    """What is wrong, a line each, without the folder."""
    with pytest.raises(BadConfig) as caught:
        with_lk_project(name, path, environ, home)
    return str(caught.value).replace(f"{home}/", "").splitlines()


def test_its_url_key_and_secret_are_the_environment_s(home: Path) -> None:
    """And all else is as it was."""
    environ, warnings = with_lk_project("live", None, AGENT, home)
    (project,) = load(None, environ).projects
    assert project.url == "wss://live.livekit.example"
    assert {key: secret.get_secret_value() for key, secret in project.keys.items()} == {"APIlive": "hush-live"}
    assert environ["DISPATCHER_AGENT"] == "greeter"
    assert warnings == ()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_warned_of(home: Path, mode: int) -> None:
    """As lk does."""
    file = home / LK_FILE
    file.chmod(mode)
    _, (warning,) = with_lk_project("live", None, AGENT, home)
    assert str(warning) == f"{file}: others may read the secrets in it ({mode:o}): chmod 600 {file}"


def test_a_name_that_lk_does_not_know_is_told_with_those_it_knows(home: Path) -> None:
    """And with the nearest."""
    place, said = ".livekit/cli-config.yaml:3:5: projects", "no project of this name; did you mean 'staging'?"
    assert refused(home, "stagin") == [f"{place}: {said}; lk has half, live, staging"]


@pytest.mark.parametrize("written", ["default_project: a\n", "projects:\n", "projects: []\n", "projects: [one]\n"])
def test_of_no_project_at_all_it_is_told_how_to_add_one(home: Path, written: str) -> None:
    """Whatever stands there instead."""
    (home / LK_FILE).write_text(written)
    (line,) = refused(home, "live")
    assert line.endswith("no project of this name; lk has none: `lk project add` adds one")


def test_a_project_that_lacks_something_is_told(home: Path) -> None:
    """Where it stands, and never a secret."""
    assert refused(home, "half") == [".livekit/cli-config.yaml:12:7: projects[2]: this project has no api_key"]


def test_without_lk_s_file_it_says_so(home: Path) -> None:
    """It is never made."""
    (home / LK_FILE).unlink()
    assert refused(home, "live") == [".livekit/cli-config.yaml: cannot be read: No such file or directory"]


def test_nobody_has_to_guess_which_project_it_is(home: Path) -> None:
    """Another connection in the environment, or projects in the configuration, are mistakes."""
    file = home / "dispatcher.yaml"
    file.write_text("rules: [{name: all, agent: greeter}]\nprojects: [{name: a, url: ws://a, keys: {a: b}}]\n")
    assert refused(home, "live", file, **CONNECTION) == [
        "dispatcher.yaml:2:1: projects: --lk-project says which project: leave out one of them",
        *(
            f"environment: {name}: is set, too: unset it, or leave out --lk-project"
            for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
        ),
    ]


def test_a_configuration_without_projects_goes_with_it(home: Path) -> None:
    """Its rules hold there."""
    file = home / "dispatcher.yaml"
    file.write_text("rules: [{name: all, agent: greeter}]\n")
    environ, _ = with_lk_project("staging", file, {}, home)
    assert load(file, environ).projects[0].url == "wss://staging.livekit.example"
