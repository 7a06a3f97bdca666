"""What a message says."""

import pytest

from dispatcher.core.notices import NoticeKind
from dispatcher.notices.words import link, summary
from tests.unit.notices.tell import happening, message

URL = "https://dispatcher.example.com"


@pytest.mark.parametrize("kind", list(NoticeKind))
@pytest.mark.parametrize("total", [1, 12])
def test_every_kind_has_a_sentence(kind: NoticeKind, total: int) -> None:
    """One for one, one for several; no brace is left."""
    told = summary(message(kind, total=total))

    assert told
    assert "{" not in told
    assert not told.endswith(".")


def test_how_many_is_said() -> None:
    """And by which agent."""
    told = summary(message(total=12))

    assert told == "12 rooms have no agent: every target has been tried, the last was greeter"


def test_names_are_shown_as_a_terminal_may_show_them() -> None:
    """An agent's name commands nothing."""
    assert "\x1b" not in summary(message(agent="a\x1b[2Jb"))


@pytest.mark.parametrize(
    ("public_url", "room", "expected"),
    [
        (URL, "lobby", f"{URL}/ui/rooms/lobby"),
        (URL, "a b/c?d#e", f"{URL}/ui/rooms/a%20b%2Fc%3Fd%23e"),
        (URL, "../x", f"{URL}/ui/rooms/..%2Fx"),
        (URL, "", ""),
        ("", "lobby", ""),
        (URL, "call-#0a1b2c3d", ""),
    ],
)
def test_a_link_leads_to_the_room(public_url: str, room: str, expected: str) -> None:
    """Whatever its name; where that is hidden or nobody knows the way, there is none."""
    assert link(public_url, happening(room=room)) == expected
