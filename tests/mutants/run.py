"""Are the tests any good? A module is broken on purpose, one way at a time, and tests must fail each time.

Not part of pytest: a run takes as long as its tests take, times the number of mutants. Works on a copy of the tree.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).parents[2]
COPIED = ("dispatcher", "tests", "pyproject.toml")
UNSHRUNK = "tests.mutants.unshrunk"  # a pytest plugin: hypothesis stops at the first failure instead of shrinking it


class Mutant(NamedTuple):
    """A deliberate mistake: `old` occurs exactly once in the module, `new` takes its place."""

    name: str
    old: str
    new: str


class Fate(StrEnum):
    CAUGHT = "caught"
    HUNG = "hung"  # caught as well: the tests did not come to an end
    SURVIVED = "SURVIVED"


class Verdict(NamedTuple):
    """What the tests made of a mutant, and the first test that failed."""

    fate: Fate
    by: str = ""


def run(module: str, mutants: Iterable[Mutant], selections: Sequence[Sequence[str]], *, within: float = 300) -> int:
    """A table of the mutants and of what each selection of tests made of them; the number of those that survived all.

    `module` is a path from the root of the repository, each selection a list of pytest arguments, `within` the seconds
    that a selection may take. Raises SystemExit where the unbroken module fails or a mutant does not fit it.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        source = (copy / module).read_text()
        for selection in selections:
            if (verdict := judged(copy, selection, within)).fate is not Fate.SURVIVED:
                raise SystemExit(
                    f"{module}: {' '.join(selection)} {verdict.fate} before anything was broken: {verdict.by}"
                )
        survivors = 0
        for mutant in mutants:
            (copy / module).write_text(broken(source, mutant))
            verdicts = [judged(copy, selection, within) for selection in selections]
            survivors += all(verdict.fate is Fate.SURVIVED for verdict in verdicts)
            say(mutant.name, verdicts)
    sys.stdout.write(f"{survivors} survived\n")
    return survivors


def run_all(mutants: Mapping[str, Sequence[Mutant]], selections: Sequence[Sequence[str]]) -> NoReturn:
    """The tables of several modules; then the program ends: with 0 if no mutant survived."""
    survivors = sum(run(module, some, selections) for module, some in mutants.items())
    raise SystemExit(min(survivors, 1))


def copied(folder: Path) -> Path:
    """The tree, to be broken."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def broken(source: str, mutant: Mutant) -> str:
    """The source with the mistake in it."""
    if (found := source.count(mutant.old)) != 1:
        raise SystemExit(f"{mutant.name}: its text occurs {found} times, not once: {mutant.old!r}")
    return source.replace(mutant.old, mutant.new)


def judged(tree: Path, selection: Sequence[str], within: float) -> Verdict:
    """What these tests make of the tree as it is."""
    options = ["-x", "-q", "--no-header", "-p", UNSHRUNK, "-p", "no:cacheprovider", "-p", "no:randomly"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *selection],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Verdict(Fate.HUNG)
    if done.returncode == 0:
        return Verdict(Fate.SURVIVED)
    first = re.search(r"^(?:FAILED|ERROR) (?:\S*::)?(\S+)", done.stdout, re.MULTILINE)
    return Verdict(Fate.CAUGHT, first[1] if first else done.stdout[-200:])


def say(name: str, verdicts: Sequence[Verdict]) -> None:
    """One line of the table."""
    columns = "  ".join(f"{verdict.fate:8} {verdict.by:60.60}" for verdict in verdicts)
    sys.stdout.write(f"{name:45.45} {columns.rstrip()}\n")
    sys.stdout.flush()
