"""Where the site has what the repository has. `release/hooks.py` is what mkdocs calls.

A page may link to any file of the repository. What lies outside `docs/` gets a page of its own, made here: other
documents as they are, a source as the text that it is. So the site leads nowhere that is not its own.
"""

import posixpath
import re
from pathlib import Path
from typing import Final

from release.distributions import ROOT
from release.markdown import is_elsewhere, links

DOCS: Final = "docs/"
HOME: Final = "README.md"  # the repository's start page: the site has its own
LANGUAGES: Final = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".mjs": "javascript"}
_FETCHED: Final = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(\w+:)?//|<link\b[^>]*\bhref=\"(\w+:)?//")
_IMPORTED: Final = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//")


def place(path: str) -> str:
    """Where a file of the repository is in the site."""
    if path == HOME:
        return "index.md"
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return path.lower() if path.endswith(".md") else f"source/{path.rstrip('/')}.md"


def source_page(path: str) -> str:
    """The page of a file that is no document; of a folder, all that is in it."""
    found = ROOT / path
    files = sorted(one for one in found.rglob("*") if one.is_file()) if found.is_dir() else [found]
    return f"# {path}\n" + "".join(_shown(one) for one in files)


def outside() -> dict[str, str]:
    """Path to text, of all outside of `docs/` that the documents link to, and of what those documents link to."""
    made: dict[str, str] = {}
    waiting = [str(path.relative_to(ROOT)) for path in (ROOT / DOCS).rglob("*.md")]
    while waiting:
        page = waiting.pop()
        own = [link for link, _ in links((ROOT / page).read_text()) if link and not is_elsewhere(link)]
        for target in (posixpath.normpath(posixpath.join(posixpath.dirname(page), link)) for link in own):
            if target.startswith(DOCS) or target == HOME or target in made:
                continue
            document = target.endswith(".md")
            made[target] = (ROOT / target).read_text() if document else source_page(target)
            waiting += [target] if document else []
    return made


def fetches(file: Path) -> bool:
    """Whether a browser that shows this page, or takes this style sheet, asks somebody else for something."""
    if file.suffix not in {".html", ".css"}:
        return False
    return bool((_FETCHED if file.suffix == ".html" else _IMPORTED).search(file.read_text()))


def _shown(file: Path) -> str:
    language = LANGUAGES.get(file.suffix, "text")
    return f"\n`{file.relative_to(ROOT)}`\n\n````{language}\n{file.read_text()}\n````\n"
