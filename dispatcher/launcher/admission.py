"""What becomes of a request for a launch: a pure function, decided before anything is started."""

from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct

from dispatcher.launcher.launch import Launch, LaunchEnd
from dispatcher.livekit.join_token import JoinToken


class SameToken(Struct, frozen=True):
    """The same token has come again: its launch is this one."""

    launch: str


class SpentToken(Struct, frozen=True):
    """The token's launch is over. A token that was caught on its way starts nothing a second time."""

    launch: str


class NoPlace(Struct, frozen=True):
    """As many run as may."""


class MayStart(Struct, frozen=True):
    """It may start, once the launch with the id `replaces` has ended; "": at once."""

    replaces: str = ""


Admission: TypeAlias = SameToken | SpentToken | NoPlace | MayStart


def admit(launches: Iterable[Launch], launcher: str, limit: int, token: JoinToken) -> Admission:
    """Decide. `launches` are all that are known, of every launcher, those that have ended included.

    Two processes with one identity would throw each other out of the room again and again, so the second waits until
    the first is gone; and while it waits it has the first one's place.
    """
    known = tuple(launches)
    for one in known:
        if one.fingerprint == token.fingerprint and one.end is not LaunchEnd.NOT_STARTED:
            return SpentToken(one.id) if one.ended else SameToken(one.id)
    same = [one for one in known if not one.ended and one.is_for(token.project, token.room, token.identity)]
    taken = sum(one.launcher == launcher and not one.ended for one in known)
    replaced = [one for one in same if one.launcher == launcher]
    if taken - len(replaced) >= limit:
        return NoPlace()
    return MayStart(same[-1].id if same else "")
