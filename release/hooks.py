"""What mkdocs calls as it builds the site (mkdocs.yml). Its own types are known where it is installed: `make docs`."""

import shutil
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

from release.distributions import ROOT
from release.markdown import indented, relinked, slug
from release.site import DOCS, fetches, outside, place


def on_config(config: Any) -> Any:  # noqa: ANN401 - mkdocs's own
    """Headings have the addresses that they have on GitHub."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    return config


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401
    """What lies outside of `docs/` and is linked has its pages."""
    for path, text in outside().items():
        made = relinked(text, path, place, at=place(path)) if path.endswith(".md") else text
        files.append(File.generated(config, place(path), content=made, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:  # noqa: ANN401
    """Links lead to where the site has what they name, and lists are as Python-Markdown reads them."""
    address = page.file.src_uri
    if (ROOT / DOCS / address).exists():
        markdown = relinked(markdown, DOCS + address, place, at=address)
    return markdown if address.startswith("source/") else indented(markdown)


def on_post_build(config: Any) -> None:  # noqa: ANN401
    """What llms.txt names is there as it is written, and no page asks anybody else for a font, a script or a picture.

    Raises SystemExit with those that do.
    """
    pages = Path(config.site_dir)
    for document in (ROOT / DOCS).glob("*.md"):
        shutil.copy(document, pages)
    if found := sorted(str(one.relative_to(pages)) for one in pages.rglob("*") if one.is_file() and fetches(one)):
        raise SystemExit(f"a browser would fetch something from elsewhere for {', '.join(found)}")
