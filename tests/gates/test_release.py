"""What is published names what exists: workflows, licences, versions. `make dist` and `make smoke` try the rest."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.utils import canonicalize_name

from release.distributions import missing, strangers
from release.inventory import LICENCES
from release.smoke import supported
from release.version import REPEATED, disagreements, notes, version
from tests.gates.test_docs import targets
from tests.gates.test_repository import pins
from tests.gates.tree import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LEFT_OUT = {"async-timeout"}  # redis needs it on Python 3.11.2 and older alone
CHANGELOG = (
    "# Changelog\n\n## [Unreleased]\n\n- c\n\n## [1.1.0] - 2026-01-02\n\n- b\n\n## [1.0.0] - 2026-01-01\n\n- a\n"
)


def steps(workflow: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every step of every job."""
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_what_is_there(path: Path) -> None:
    """Make targets and modules that exist, and actions of others by their commit alone."""
    workflow = yaml.safe_load(path.read_text())
    commands = "\n".join(step.get("run", "") for step in steps(workflow))
    called = {word for line in re.findall(r"^make (.+)$", commands, re.MULTILINE) for word in line.split()}
    modules = re.findall(r"python -m (release\.\w+)", commands)
    used = [step["uses"] for step in steps(workflow) if "uses" in step]

    assert {word for word in called if "=" not in word} <= targets((ROOT / "Makefile").read_text())
    assert [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").exists()] == []
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", one)] == []


def test_what_is_published_has_passed_what_every_change_must_pass() -> None:
    """The release needs ci.yml, and that calls `.ci/run`, and tries the wheel on each supported Python."""
    ci, release = (yaml.safe_load(path.read_text()) for path in WORKFLOWS)

    assert any(step.get("run") == "bash .ci/run" for step in ci["jobs"]["all"]["steps"])
    assert set(supported()) <= set(ci["jobs"]["wheel"]["strategy"]["matrix"]["python"])
    assert release["jobs"]["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert release["jobs"]["build"]["needs"] == "ci"
    assert {release["jobs"][job]["needs"] for job in ("package", "image")} == {"build"}


def test_every_package_has_its_licence_listed() -> None:
    """Those that are locked, in their versions, each with a licence that is taken."""
    rows = re.findall(r"^\| (\S+) +\| (\S+) +\| (.+?) +\|$", (ROOT / "deploy/licences.md").read_text(), re.MULTILINE)
    listed = {canonicalize_name(name): version for name, version, _ in rows[1:]}

    locked = pins((ROOT / "deploy/requirements.lock").read_text())
    assert {name: version for name, version in locked.items() if name not in LEFT_OUT} == listed
    assert {licence for *_, licence in rows[1:]} <= set(LICENCES)


def test_a_file_that_is_missing_or_strange_is_named() -> None:
    """A wheel without a script of Redis's is no wheel; a file that git does not know is in none."""
    assert missing(
        ["dispatcher/a.py", "dispatcher/b.lua", "tests/c.py"], ["dispatcher/a.py", "x.dist-info/RECORD"]
    ) == ["the wheel and the commit do not agree on dispatcher/b.lua"]
    assert missing(["dispatcher/a.py"], ["dispatcher/a.py", "dispatcher/key.pem"]) == [
        "the wheel and the commit do not agree on dispatcher/key.pem"
    ]
    assert strangers(["a"], ["a", "PKG-INFO", "key.pem"]) == ["the sdist has key.pem, which is not in git"]


def test_a_tag_that_is_another_version_is_found() -> None:
    """In a place that repeats the version, too, and where it is not repeated at all."""
    assert disagreements("1.0.0", "tag v1.0.0", ["1.0.0"]) == []
    assert disagreements("1.0.0", "Chart.yaml", ["1.0.0", "0.9.0"]) == ["Chart.yaml says 0.9.0, pyproject.toml 1.0.0"]
    assert disagreements("1.0.0", "Chart.yaml", []) == ["Chart.yaml names no version"]


def test_the_version_is_repeated_as_it_is() -> None:
    """The chart's own and its image's, whatever pyproject.toml says."""
    found = {name: re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE) for name, pattern in REPEATED.items()}

    assert found == {"deploy/helm/livekit-dispatcher/Chart.yaml": [version(), version()]}


@pytest.mark.parametrize(("released", "said"), [("1.1.0", "- b\n\n"), ("1.0.0", "- a\n"), ("1", ""), ("2.0.0", "")])
def test_the_notes_of_a_release_are_its_section_of_the_changelog(released: str, said: str) -> None:
    """And of no other release."""
    assert notes(CHANGELOG, released) == said
