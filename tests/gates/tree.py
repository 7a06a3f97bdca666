"""The repository's files, as a fresh clone would have them."""

from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "dispatcher"


def ignored_patterns() -> list[str]:
    """Patterns of .gitignore, and git's own folder."""
    lines = (ROOT / ".gitignore").read_text().split()
    return [".git", *(line.rstrip("/") for line in lines)]


def repository_files() -> list[Path]:
    """Every file that git would keep."""
    patterns = ignored_patterns()

    def kept(path: Path) -> bool:
        parts = path.relative_to(ROOT).parts
        return not any(fnmatch(part, pattern) for part in parts for pattern in patterns)

    return sorted(path for top in ROOT.iterdir() if kept(top) for path in _files(top) if kept(path))


def _files(top: Path) -> list[Path]:
    return [path for path in top.rglob("*") if path.is_file()] if top.is_dir() else [top]


def modules() -> dict[str, Path]:
    """Dotted name below `dispatcher` to file, of every module; a package is its `__init__`."""
    return {dotted_name(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}


def dotted_name(path: Path) -> str:
    """`core/plan.py` is `core.plan`, `ledger/__init__.py` is `ledger`, the top `__init__.py` is ""."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
