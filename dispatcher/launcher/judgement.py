"""What a look at the room says of a launch: a pure function.

A look that failed says nothing, and is not judged. A deadline that has passed ends a launch only by a look that was
begun after it: so a LiveKit that does not answer ends nobody.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.launcher.launch import Launch, LaunchEnd

MISSING_MS: Final = 5_000  # whoever reconnects is back by then
OWNER_GONE_MS: Final = 10_000  # an agent that reconnects is back by then
LISTED_MS: Final = 5_000  # LiveKit's list of rooms may lag behind its webhooks, by which somebody asks


class RoomSeen(Struct, frozen=True, kw_only=True):
    """Who is in a room of this name: SIDs of those who are ACTIVE, by identity. `sid` "": there is no such room."""

    began_boot: Ms  # when it was asked
    sid: str
    active: Mapping[str, str]


class Sight(Struct, kw_only=True):
    """What earlier looks have left to remember of a launch's room."""

    strangers: frozenset[str] = frozenset()  # SIDs that had the identity before its process started
    room_seen: bool = False  # LiveKit has listed the life of the room that it is for
    missing_since: Ms = 0  # boot
    owner_gone_since: Ms = 0  # boot

    @property
    def calm(self) -> bool:
        """Whether nobody is missing."""
        return not (self.missing_since or self.owner_gone_since)

    def note(self, launch: Launch, seen: RoomSeen) -> None:
        """Remember what the look shows."""
        here = self.present(launch, seen)
        if here:
            launch.joined_boot = launch.joined_boot or seen.began_boot
            launch.room_sid = launch.room_sid or seen.sid
            launch.participant = here
        self.room_seen = self.room_seen or _lives(launch, seen)
        self.missing_since = 0 if here else self.missing_since or seen.began_boot
        owned = not launch.behalf or launch.behalf in seen.active
        self.owner_gone_since = 0 if owned else self.owner_gone_since or seen.began_boot

    def present(self, launch: Launch, seen: RoomSeen) -> str:
        """The SID of the launch's own participant; "": it is not in the room."""
        sid = seen.active.get(launch.identity, "")
        return "" if sid in self.strangers else sid


def judged(launch: Launch, sight: Sight, seen: RoomSeen, join_within: Ms) -> LaunchEnd | None:
    """Why the launch has to end, by a look that has been noted; None: it goes on."""
    now = seen.began_boot
    listed = sight.room_seen or now - launch.started_boot >= LISTED_MS
    if (launch.joined_boot or launch.room_sid) and listed and not _lives(launch, seen):
        return LaunchEnd.ROOM_FINISHED
    if sight.owner_gone_since and now - sight.owner_gone_since >= OWNER_GONE_MS:
        return LaunchEnd.OWNER_LEFT
    if not launch.joined_boot:
        return LaunchEnd.NO_SHOW if now - launch.started_boot >= join_within else None
    if sight.missing_since and now - sight.missing_since >= MISSING_MS:
        return LaunchEnd.LEFT
    return None


def _lives(launch: Launch, seen: RoomSeen) -> bool:
    """Whether the life of the room that the launch is for is listed."""
    return bool(seen.sid) and seen.sid == launch.room_sid
