"""The files that the page consists of, read once: they are part of the package."""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from msgspec import Struct

STATIC: Final = "static"
INDEX: Final = "index.html"  # of the service's page
LAUNCHER: Final = "launcher.html"  # of a launcher's
HERE: Final = "{assets}"  # in these, for where the other files are

_TYPES: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}


class Asset(Struct, frozen=True):
    """One file, as a browser gets it."""

    body: bytes
    content_type: str


class Assets(Struct, frozen=True):
    """All of them, by their path; `version` is another as soon as one byte is."""

    files: dict[str, Asset]
    version: str


def read_assets() -> Assets:
    """Every file of the page."""
    found = dict(sorted(_read(files(__package__) / STATIC, "")))
    digest = hashlib.sha256()
    for path, asset in found.items():
        digest.update(f"{path} {len(asset.body)}\n".encode())
        digest.update(asset.body)
    return Assets(found, digest.hexdigest()[:16])


def _read(folder: Traversable, before: str) -> list[tuple[str, Asset]]:
    found = []
    for one in folder.iterdir():
        path = f"{before}{one.name}"
        if one.is_dir():
            found += _read(one, f"{path}/")
        else:
            found.append((path, Asset(one.read_bytes(), _TYPES[path.rpartition(".")[2]])))
    return found
