"""The documents are written as GitHub shows them; here they become what the site's Markdown reads the same way.

Python-Markdown wants four blanks before what belongs to a list, and a blank line before a list. Nobody has to think of
that who writes a page.
"""

import posixpath
import re
from collections.abc import Callable
from typing import Final

INDENT: Final = 4
_MARKER: Final = re.compile(r"( *)([-*+]|\d{1,2}\.) +(?=\S)")
_FENCE: Final = re.compile(r"( *)(```+|~~~+)(.*)")
_LINK: Final = re.compile(r"(?<=\]\()([^)\s#]*)(#[^)\s]*)?(?=\))")
_CODE: Final = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_HEADING: Final = re.compile(r"^#{1,6} (.+?)#*$", re.MULTILINE)


def slug(heading: str, separator: str = "-") -> str:
    """The address of a heading in its page, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def anchors(document: str) -> list[str]:
    """The addresses in it: of all headings, and those that are written out."""
    prose = re.sub(r"^```.*?^```", "", document, flags=re.DOTALL | re.MULTILINE)
    headings = [re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", one.replace("`", "")) for one in _HEADING.findall(prose)]
    return [*map(slug, headings), *re.findall(r"<a id=\"([^\"]+)\"></a>", prose)]


def links(document: str) -> list[tuple[str, str]]:
    """Path and fragment of each link outside of code; either may be empty."""
    return [found for part in _CODE.split(document)[::2] for found in _LINK.findall(part)]


def is_elsewhere(link: str) -> bool:
    """Whether it leads out of the repository."""
    return "://" in link or link.startswith("mailto:")


def relinked(document: str, page: str, placed: Callable[[str], str], *, at: str) -> str:
    """The document of this path in the repository, with links as they are from its address `at` in the site."""

    def one(found: re.Match[str]) -> str:
        link, fragment = found[1], found[2] or ""
        if not link or is_elsewhere(link):
            return found[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
        return posixpath.relpath(placed(target), posixpath.dirname(at) or ".") + fragment

    parts = _CODE.split(document)
    parts[::2] = [_LINK.sub(one, part) for part in parts[::2]]
    return "".join(parts)


def indented(document: str) -> str:
    """The same document, in which what belongs to a list stands four blanks further in for each list around it."""
    return "".join(map(_Lists().line, document.splitlines()))


class _Lists:
    """Where a line stands: in which lists, in which fence."""

    def __init__(self) -> None:
        self._columns: list[int] = []  # of each list around the line: where its items' text begins
        self._fence = ""  # what closes it
        self._before = ""

    def line(self, line: str) -> str:
        """The line as the site has it, with its end."""
        inside = bool(self._columns)
        fence = None if self._fence else _FENCE.match(line)
        marker = None if self._fence or self._goes_on(line) else _MARKER.match(line)
        if not self._fence and (marker or fence or not self._before):
            self._leave(line)
        if marker and _blanks(line) - self._column() < INDENT:  # further in it is code
            written = self._marked(line, marker, apart=bool(self._before) and not inside)
        else:
            written = self._placed(line)
        if fence:
            self._fence = fence[2]
            written = re.sub(r"(```+|~~~+)(\w+) .*", r"\1\2", written)  # `yaml cases` is yaml
        elif self._fence and line.strip() == self._fence:
            self._fence = ""
        self._before = line.strip()
        return written

    def _goes_on(self, line: str) -> bool:
        """Whether a line that begins with a number goes on with a paragraph."""
        numbered = re.match(r" *(\d+)\.", line)
        return bool(self._before and not self._columns and numbered and numbered[1] != "1")

    def _leave(self, line: str) -> None:
        """Lists end before what stands further out than their text."""
        if line.strip():
            self._columns = [column for column in self._columns if column <= _blanks(line)]

    def _marked(self, line: str, marker: re.Match[str], *, apart: bool) -> str:
        outer = " " * (INDENT * len(self._columns))
        self._columns.append(marker.end())
        return f"{chr(10) * apart}{outer}{marker[2].ljust(INDENT)}{line[marker.end() :]}\n"

    def _placed(self, line: str) -> str:
        if not line.strip():
            return "\n"
        return " " * (INDENT * len(self._columns)) + line[min(self._column(), _blanks(line)) :] + "\n"

    def _column(self) -> int:
        return self._columns[-1] if self._columns else 0


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
