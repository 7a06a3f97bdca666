"""What no file of the repository may carry, and what its lock files and dependencies must."""

import re
import tomllib
from collections.abc import Iterator, Mapping

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.gates.tree import PACKAGE, ROOT, repository_files

LOCKS = ("requirements.lock", "deploy/requirements.lock", "tests/e2e/requirements.lock", "examples/requirements.lock")
TOOL_LOCKS = ("deploy/build.lock", "release/requirements.lock", "release/site.lock")
EVERYWHERE = {
    "machine path": re.compile(r"(?<![\w.])/(?:work|root|home|Users)/\w"),
    "registry host": re.compile(r"pypi\.org|pythonhosted\.org|proxy\.golang\.org|registry\.npmjs\.org"),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "token of a service": re.compile(r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|sk-[A-Za-z0-9]{32})\b"),
    "LiveKit API key": re.compile(r"\bAPI(?=[A-Za-z]*\d)[A-Za-z0-9]{11,15}\b"),
}
# tests/ holds recorded webhooks, each with its token
OUTSIDE_TESTS = {"JSON web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.")}
ABSENT = "0.dev0"
EXCUSE = re.compile(r"#\s*pragma:\s*no")


def leaks(text: str, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[str]:
    """One line for each thing found, with its line number and never the thing itself."""
    for name, pattern in patterns.items():
        for match in pattern.finditer(text):
            yield f"{text.count(chr(10), 0, match.start()) + 1}: {name}"


def unexplained(project: str) -> Iterator[str]:
    """Runtime dependencies without a reason on their line."""
    block = project.partition("\ndependencies = [\n")[2].partition("\n]")[0]
    yield from (line.strip() for line in block.splitlines() if not re.search(r'",\s+# \S', line))


def unhashed(lock: str) -> Iterator[str]:
    """Packages of a lock file without a version or a hash."""
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        if not re.match(r"[\w.-]+==\S+", entry) or "--hash=sha256:" not in entry:
            yield entry.partition("\n")[0]


def pins(lock: str) -> dict[str, str]:
    """Canonical name to version."""
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def unlocked(requirements: list[str], pinned: Mapping[str, str]) -> list[str]:
    """Requirements that the lock file lacks, or has in a version that they refuse."""
    wanted = [Requirement(one) for one in requirements]
    return [one.name for one in wanted if pinned.get(canonicalize_name(one.name), ABSENT) not in one.specifier]


def test_no_file_carries_a_machine_a_registry_or_a_secret() -> None:
    """The repository names no machine's paths and no registry, and holds no key or token."""
    found = []
    for path in repository_files():
        name = path.relative_to(ROOT)
        patterns = EVERYWHERE if name.parts[0] == "tests" else EVERYWHERE | OUTSIDE_TESTS
        found += [f"{name}:{leak}" for leak in leaks(path.read_text(errors="replace"), patterns)]

    assert not found, "\n".join(found)


def test_no_line_is_excused_from_coverage() -> None:
    """No comment takes a line out of the coverage gate."""
    assert not [path for path in PACKAGE.rglob("*.py") if EXCUSE.search(path.read_text())]


def test_every_test_that_is_left_out_of_make_test_says_why() -> None:
    """The marker has a reason."""
    marker = re.compile(r"mark\.slow(?!\(\"\w)")

    assert not [path for path in (ROOT / "tests").rglob("*.py") if marker.search(path.read_text())]


@pytest.mark.parametrize("lock", [*LOCKS, *TOOL_LOCKS])
def test_every_locked_package_has_a_version_and_hashes(lock: str) -> None:
    """A lock file fixes each package to the byte."""
    assert not list(unhashed((ROOT / lock).read_text()))


def test_the_lock_files_are_in_step_with_the_project() -> None:
    """Each lock file holds what pyproject.toml asks for, and all of them hold the same versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime, groups = project["project"]["dependencies"], project["dependency-groups"]
    dev, deploy, e2e, tried = (pins((ROOT / lock).read_text()) for lock in LOCKS)

    assert not unlocked(runtime + groups["dev"], dev)
    assert not unlocked(runtime, deploy)
    assert not unlocked(runtime + groups["dev"] + groups["e2e"] + groups["browser"], e2e)
    assert not unlocked(runtime + groups["e2e"], tried)
    for group, lock in zip(("build", "release", "docs"), TOOL_LOCKS, strict=True):
        assert not unlocked(groups[group], pins((ROOT / lock).read_text()))
    assert deploy.items() <= dev.items() <= e2e.items()
    assert deploy.items() <= tried.items() <= e2e.items()


def test_every_dependency_has_its_reason() -> None:
    """Each runtime dependency says on its line what it is for."""
    assert not list(unexplained((ROOT / "pyproject.toml").read_text()))


@pytest.mark.parametrize(
    ("parts", "leak"),
    [
        (("see ", "/ro", "ot/x"), "1: machine path"),
        (("\n\nopen('/ho", "me/me/x')"), "3: machine path"),
        (("https://py", "pi.org/simple"), "1: registry host"),
        (("https://files.python", "hosted.org/packages"), "1: registry host"),
        (("-----BEGIN RSA ", "PRIVATE KEY-----"), "1: private key"),
        (("AKIA", "ABCDEFGHIJKLMNOP"), "1: token of a service"),
        (("LIVEKIT_API_KEY=API", "x7Gh2kLmN9pQ"), "1: LiveKit API key"),
        (("eyJhbGciOiJIUzI1", "NiJ9.eyJpc3MiOiJkZX", "ZrZXkifQ.sig"), "1: JSON web token"),
    ],
)
def test_a_leak_is_found(parts: tuple[str, ...], leak: str) -> None:
    """A path, host, key or token is reported with its line."""
    assert list(leaks("".join(parts), EVERYWHERE | OUTSIDE_TESTS)) == [leak]


@pytest.mark.parametrize("text", ["tests/work/x", "class APIConnectionError:", "https://host/path", "network/roots/a"])
def test_what_only_looks_like_a_leak_is_left_alone(text: str) -> None:
    """Relative paths, class names and addresses are no leaks."""
    assert not list(leaks(text, EVERYWHERE | OUTSIDE_TESTS))


def test_a_dependency_without_reason_is_found() -> None:
    """The line without a comment is named."""
    project = '[project]\ndependencies = [\n    "a>=1",  # to do a\n    "b>=1",\n]\n'

    assert list(unexplained(project)) == ['"b>=1",']


def test_a_package_without_hash_or_version_is_found() -> None:
    """A lock file's weak entries are named."""
    lock = "a==1 \\\n    --hash=sha256:00\nb==2\nc>=3 \\\n    --hash=sha256:00\n"

    assert list(unhashed(lock)) == ["b==2", "c>=3 \\"]


def test_a_requirement_that_the_lock_does_not_meet_is_found() -> None:
    """A package that is absent, or too old, is named."""
    assert unlocked(["A_b>=2", "c>=1", "d", "e>=1"], {"a-b": "2.1", "c": "0.9", "d": "1"}) == ["c", "e"]
