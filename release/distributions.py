"""`python -m release.distributions`: `dist/` holds the wheel and the sdist, each built twice with the same bytes.

The second build is of the files that git has, copied elsewhere: neither a path, nor a file's time, nor what else lies
in the folder gets into what is published.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DIST: Final = ROOT / "dist"
BUILD_LOCK: Final = ROOT / "deploy" / "build.lock"
PACKAGE: Final = "dispatcher"


def main() -> int:
    """Build, compare, and say what there is."""
    with TemporaryDirectory() as temporary:
        elsewhere = Path(temporary)
        copy, again = elsewhere / "tree", elsewhere / "dist"
        _copy(tracked(), copy)
        shutil.rmtree(DIST, ignore_errors=True)
        build(ROOT, DIST)
        build(copy, again)
        first, second = hashes(DIST), hashes(again)
    if problems := [*missing(tracked(), wheel_names(DIST)), *strangers(tracked(), sdist_names(DIST))]:
        raise SystemExit("\n".join(problems))
    if first != second:
        raise SystemExit(f"two builds of one commit differ:\n{_listed(first)}{_listed(second)}")
    (DIST / "SHA256SUMS").write_text(_listed(first))
    sys.stdout.write(_listed(first))
    return 0


def build(tree: Path, out: Path) -> None:
    """The sdist, and the wheel made of it, by the locked build backend."""
    options: list[str | Path] = [
        "--build-constraints",
        BUILD_LOCK,
        "--require-hashes",
        "--no-create-gitignore",
        "--out-dir",
        out,
    ]
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run([_uv(), "build", "-q", *options, tree], check=True, env=environment)


def tracked() -> Sequence[str]:
    """Every file that git has, by its path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    return [name for name in listed.stdout.split("\0") if name]


def missing(files: Sequence[str], packed: Sequence[str]) -> Sequence[str]:
    """The package's files that the wheel lacks, and files of it that no commit has."""
    ours = {name for name in files if name.startswith(f"{PACKAGE}/")}
    theirs = {name for name in packed if ".dist-info/" not in name}
    return [f"the wheel and the commit do not agree on {name}" for name in sorted(ours ^ theirs)]


def strangers(files: Sequence[str], packed: Sequence[str]) -> Sequence[str]:
    """Files of the sdist that no commit has; `PKG-INFO` is made by the build."""
    return [f"the sdist has {name}, which is not in git" for name in sorted({*packed} - {*files, "PKG-INFO"})]


def wheel_names(folder: Path) -> Sequence[str]:
    """Paths in the wheel."""
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        return opened.namelist()


def sdist_names(folder: Path) -> Sequence[str]:
    """Paths in the sdist, below its one folder."""
    [sdist] = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as opened:
        return [member.name.partition("/")[2] for member in opened.getmembers() if member.isfile()]


def hashes(folder: Path) -> dict[str, str]:
    """Of the wheel and the sdist, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*-*"))}


def _copy(names: Sequence[str], target: Path) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)


def _listed(found: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in found.items())


def _uv() -> str:
    return str(Path(sys.executable).with_name("uv"))


if __name__ == "__main__":
    sys.exit(main())
