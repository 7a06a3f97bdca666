"""A room that the service has not heard of: whether it lives, who is in it, and which name may be meant."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.text import visible
from dispatcher.explain.words import about, listed, people

RESEMBLING_MAX: Final = 3


class UnknownRoom(Struct, frozen=True, kw_only=True):
    """A room name of which there is no session."""

    looks: tuple[RoomSnapshot, ...] = ()  # rooms of that name that LiveKit shows
    asked: bool  # every project's LiveKit has answered
    resembling: tuple[str, ...] = ()  # names of live rooms
    sweep_every: Ms
    kept: Ms  # for how long one that has ended is, at most


def resembling(room: str, known: Collection[str]) -> tuple[str, ...]:
    """The names that somebody may have meant, the nearest first: whatever their case."""
    by_lower = {name.lower(): name for name in sorted(known)}
    return tuple(by_lower[name] for name in get_close_matches(room.lower(), by_lower, n=RESEMBLING_MAX))


def absence(absent: UnknownRoom) -> list[str]:
    """What is known of the room."""
    if absent.looks:
        return [visible(_alive(look, absent.sweep_every)) for look in absent.looks]
    shown = "LiveKit shows none" if absent.asked else "LiveKit could not be asked whether there is one"
    told = [f"No room of that name is known (ended ones are kept for {about(absent.kept)} at most), and {shown}."]
    if absent.resembling:
        names = listed([f"`{name}`" for name in absent.resembling])
        told.append(f"{'A name' if len(absent.resembling) == 1 else 'Names'} like it: {names}.")
    return [visible(" ".join(told))]


def _alive(look: RoomSnapshot, sweep_every: Ms) -> str:
    there = [one for one in look.participants if one.active and one.is_person]
    if not there:
        return "LiveKit shows the room, and nobody has joined yet: an agent is asked for when somebody has."
    return (
        f"LiveKit shows the room, with {people(there)} in it, and no webhook has told this service of it: "
        f"the sweep finds it within {about(sweep_every)}."
    )
