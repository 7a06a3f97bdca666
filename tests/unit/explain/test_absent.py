"""A room of which the service has not heard."""

import pytest

from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.explain import UnknownRoom, absence, resembling
from tests.unit.core.world import LOBBY, agent, person

SHOWN = RoomSnapshot(room=LOBBY, participants=(person(), agent()))
NOBODY = "No room of that name is known (ended ones are kept for 24 h at most), and LiveKit "


def absent(*looks: RoomSnapshot, asked: bool = True, names: tuple[str, ...] = ()) -> list[str]:
    """What is said."""
    return absence(UnknownRoom(looks=looks, asked=asked, resembling=names, sweep_every=30_000, kept=86_400_000))


def test_a_room_that_lives_is_told_with_who_is_in_it_and_when_it_is_found() -> None:
    """No webhook came, or not yet."""
    [told] = absent(SHOWN)
    assert told == (
        "LiveKit shows the room, with alice (STANDARD) in it, and no webhook has told this service of it: "
        "the sweep finds it within 30 s."
    )


def test_a_room_that_nobody_has_joined_is_told_as_such() -> None:
    """An agent in it is nobody."""
    assert absent(RoomSnapshot(room=LOBBY, participants=(agent(),))) == [
        "LiveKit shows the room, and nobody has joined yet: an agent is asked for when somebody has."
    ]


@pytest.mark.parametrize(
    ("asked", "names", "told"),
    [
        (True, (), f"{NOBODY}shows none."),
        (False, (), f"{NOBODY}could not be asked whether there is one."),
        (True, ("lobby",), f"{NOBODY}shows none. A name like it: `lobby`."),
        (True, ("lobby", "lob\x1by"), rf"{NOBODY}shows none. Names like it: `lobby` and `lob\x1by`."),
    ],
)
def test_a_room_that_is_not_there_is_told_with_the_names_that_may_be_meant(
    asked: bool, names: tuple[str, ...], told: str
) -> None:
    """As they may be shown."""
    assert absent(asked=asked, names=names) == [told]


@pytest.mark.parametrize(
    ("room", "found"),
    [("loby", ("lobby",)), ("LOBBY", ("lobby",)), ("Call-2", ("call-1", "call-3")), ("x", ())],
)
def test_names_resemble_each_other_whatever_their_case(room: str, found: tuple[str, ...]) -> None:
    """The nearest first."""
    assert set(resembling(room, ["lobby", "call-1", "call-3", "attic"])) == set(found)
