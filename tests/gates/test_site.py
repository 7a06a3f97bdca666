"""The documents as a site: a newcomer finds each page, no link is broken, nothing comes from elsewhere.

`make docs` builds it, which is the proof; what is here needs nothing but the files.
"""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.markdown import anchors, indented, is_elsewhere, links, relinked, slug
from release.site import fetches, outside, place, source_page
from tests.gates.tree import ROOT

SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
DOCS = ROOT / "docs"


def pages(nav: object) -> Iterator[str]:
    """The pages of a navigation, in its order."""
    if isinstance(nav, str):
        yield nav
    for one in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from pages(one)


def documents() -> dict[str, str]:
    """Every document that somebody may read, with its text."""
    found = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in found}


def test_every_page_is_in_the_navigation_and_on_the_start_page() -> None:
    """Once each; single decisions are in the list of decisions."""
    there = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md") if not path.match("adr/[0-9]*.md")}
    shown = list(pages(SITE["nav"]))
    listed = [link for link, _ in links((DOCS / "index.md").read_text().partition("## All pages\n")[2])]

    assert sorted(shown) == sorted(there)
    assert [page for page in listed if not page.startswith("../")] == [page for page in shown if page != "index.md"]


def test_every_link_into_a_page_finds_its_heading() -> None:
    """In its own page or in another one."""
    texts = documents()
    known = {path: anchors(text) for path, text in texts.items()}
    lost = []
    for page, text in texts.items():
        for link, fragment in links(text):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link)) if link else page
            if fragment and not is_elsewhere(link) and fragment[1:] not in known[target]:
                lost.append(f"{page}: {link}{fragment}")

    assert lost == []


def test_no_page_has_two_headings_with_one_address() -> None:
    """Else a link to the second would be another one on GitHub and on the site."""
    known = {page: anchors(text) for page, text in documents().items() if page != "CHANGELOG.md"}

    assert {page: found for page, found in known.items() if len(set(found)) < len(found)} == {}


def test_warnings_are_errors_and_fonts_are_the_readers_own() -> None:
    """As `mkdocs.yml` says, and as each change has it tried."""
    assert SITE["theme"]["font"] is False
    assert set(SITE["validation"].values()) == {"warn"}
    assert "mkdocs build --strict\n" in (ROOT / "Makefile").read_text()  # with --quiet no warning counts
    assert "\nmake docs\n" in (ROOT / ".ci/run").read_text()


def test_what_lies_outside_of_the_documents_has_a_page() -> None:
    """Of every source that a document links to, and of what they in turn link to."""
    made = outside()

    assert {"SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md", "examples/agent/agent.py", "deploy/scaling"} <= set(made)
    assert [path for path in made if not (ROOT / path).exists()] == []
    assert "ScaledObject" in source_page("deploy/scaling")
    assert "````python\n" in made["examples/agent/agent.py"]


@pytest.mark.parametrize(
    ("path", "placed"),
    [
        ("docs/rules.md", "rules.md"),
        ("docs/adr/0001-x.md", "adr/0001-x.md"),
        ("README.md", "index.md"),
        ("SECURITY.md", "security.md"),
        ("examples/agent/agent.py", "source/examples/agent/agent.py.md"),
        ("deploy/scaling", "source/deploy/scaling.md"),
    ],
)
def test_each_file_has_its_place(path: str, placed: str) -> None:
    """Documents where they are, sources below a folder of their own."""
    assert place(path) == placed


def test_links_lead_to_the_places_of_the_site() -> None:
    """Out of a folder and into one; what is code, leads elsewhere or stays in the page is left alone."""
    written = "[a](../rules.md#x) [b](../../SECURITY.md) [c](https://a.b/c) [d](#e) `[f](g)` [h](0002.md)"
    made = "[a](../rules.md#x) [b](../security.md) [c](https://a.b/c) [d](#e) `[f](g)` [h](0002.md)"

    assert relinked(written, "docs/adr/0001.md", place, at="adr/0001.md") == made
    assert relinked("[a](docs/x.md)", "SECURITY.md", place, at="security.md") == "[a](x.md)"
    assert relinked("[a](../deploy/x.py)", "docs/y.md", place, at="y.md") == "[a](source/deploy/x.py.md)"


def test_links_are_read_outside_of_code() -> None:
    """With their fragments; those to elsewhere are told."""
    assert links("[a](b.md#c) `[x](y)` [d](#e)\n```\n[n](m)\n```\n") == [("b.md", "#c"), ("", "#e")]
    assert [is_elsewhere(link) for link in ("https://a.b", "mailto:a@b", "a.md", "../a")] == [True, True, False, False]


def test_headings_have_the_addresses_that_github_gives_them() -> None:
    """Without code marks and links, and not those of comments in code."""
    text = '# A `b` c\n\n```sh\n# no\n```\n## §1.4 What, *who*?\n<a id="w"></a>\n### [x](y.md) - z\n'

    assert anchors(text) == ["a-b-c", "14-what-who", "x---z", "w"]
    assert slug("phone()") == "phone"


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("1. a\n   b\n\n   ```sh\n   c\n   ```\n2. d\n", "1.  a\n    b\n\n    ```sh\n    c\n    ```\n2.  d\n"),
        ("- a\n  - b\n    c\n- d\n", "-   a\n    -   b\n        c\n-   d\n"),
        ("a:\n- b\n- c\n\nd\n", "a:\n\n-   b\n-   c\n\nd\n"),
        ("so it was in\n2024. And then\n", "so it was in\n2024. And then\n"),
        ("there are\n3. More\n", "there are\n3. More\n"),
        ("```yaml cases\n- a\n  - b\n\n1. x\n```\n", "```yaml\n- a\n  - b\n\n1. x\n```\n"),
        ("    code\n    - no list\n", "    code\n    - no list\n"),
        ("- a\n\n  b\n\n# c\n", "-   a\n\n    b\n\n# c\n"),
        ("- a\nlazy\n\nb\n", "-   a\n    lazy\n\nb\n"),
    ],
)
def test_lists_are_indented_as_the_sites_markdown_wants_them(written: str, made: str) -> None:
    """What belongs to an item stands four blanks further in, and a list begins after a blank line."""
    assert indented(written) == made


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.html", '<script src="https://a.b/c.js">', True),
        ("a.html", '<img alt="x" src="//a.b/c.png">', True),
        ("a.html", '<link rel="stylesheet" href="http://a.b/c.css">', True),
        ("a.html", '<a href="https://a.b"><img src="x.png"><script src="../y.js">', False),
        ("a.css", "@import 'https://a.b/c.css';", True),
        ("a.css", "a { background: url(//a.b/c.png) }", True),
        ("a.css", "a { background: url(data:x) }", False),
        ("a.txt", '<script src="https://a.b/c.js">', False),
    ],
)
def test_what_a_browser_would_fetch_from_elsewhere_is_found(name: str, text: str, found: bool, tmp_path: Path) -> None:
    """Scripts, pictures and style sheets; a link that somebody may follow is none."""
    (tmp_path / name).write_text(text)

    assert fetches(tmp_path / name) is found
