"""`python -m release.version TAG`: the tag is the version that everything names; prints the release's notes.

pyproject.toml is the one place where the version is written. What must repeat it, as the chart, is compared with it.
"""

import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
REPEATED: Final[Mapping[str, str]] = {  # file to the pattern of each version in it
    "deploy/helm/livekit-dispatcher/Chart.yaml": r'^(?:appV|v)ersion: "?([^"\n]+)"?$',
}


def main(tag: str) -> int:
    """Print the notes of this version. Exit code 1, and what is wrong, where something disagrees."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    problems = [*disagreements(version(), f"tag {tag}", [tag.removeprefix("v")])]
    for name, pattern in REPEATED.items():
        problems += disagreements(version(), name, re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE))
    if not notes(changelog, version()):
        problems.append(f"CHANGELOG.md has no section [{version()}]")
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    sys.stdout.write(notes(changelog, version()))
    return 1 if problems else 0


def version() -> str:
    """The version of pyproject.toml."""
    named: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return named


def disagreements(right: str, where: str, found: Sequence[str]) -> Sequence[str]:
    """One line for each version that is another, or where there is none at all."""
    if not found:
        return [f"{where} names no version"]
    return [f"{where} says {one}, pyproject.toml {right}" for one in found if one != right]


def notes(changelog: str, released: str) -> str:
    """What CHANGELOG.md says of a release; empty if it has no section for it."""
    found = re.search(rf"^## \[{re.escape(released)}\][^\n]*\n+(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
