"""Where the page shows a room: below the address of the service's API."""

from typing import Final
from urllib.parse import quote

_FOLDERS: Final = frozenset({".", "..", ""})  # as a part of a path a browser takes these for other folders


def page_of(room: str) -> str:
    """The path of the room's view."""
    name = quote(room, safe="", errors="replace")
    return f"/ui/rooms?room={name}" if room in _FOLDERS else f"/ui/rooms/{name}"
