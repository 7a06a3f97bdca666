"""Any room has an address of its own."""

from urllib.parse import unquote, urlsplit

import pytest

from dispatcher.explain import page_of


@pytest.mark.parametrize(
    ("room", "path"),
    [
        ("lobby", "/ui/rooms/lobby"),
        ("a/b c?d#e%2F", "/ui/rooms/a%2Fb%20c%3Fd%23e%252F"),
        ("..", "/ui/rooms?room=.."),
        (".", "/ui/rooms?room=."),
        ("部屋\n", "/ui/rooms/%E9%83%A8%E5%B1%8B%0A"),
    ],
)
def test_a_room_may_be_called_anything(room: str, path: str) -> None:
    """A name that a browser would take for another folder stands in the query."""
    parts = urlsplit(page_of(room))

    assert page_of(room) == path
    assert unquote(parts.query.removeprefix("room=") or parts.path.removeprefix("/ui/rooms/")) == room
