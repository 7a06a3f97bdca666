"""Which of the rooms that have ended are kept, to be found and explained."""

from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms

OVER_FINAL_MS: Final = 60_000  # late events of a room that has ended come within 30 s (docs/livekit.md §1.4)
KEEP_MAX_MS: Final = 7 * 86_400_000  # whatever is asked for: everything in Redis has a time to live


class EndedRooms(Struct, frozen=True, kw_only=True):
    """For how long, how many, and how large their records may be together: those that ended last are kept.

    Whatever it says, none is forgotten for OVER_FINAL_MS: till then it may be asked what a late event, or an agent that
    comes into the room's next life, belongs to. None is kept for longer than KEEP_MAX_MS.
    """

    keep: Ms = 86_400_000
    max_rooms: int = 10_000
    max_bytes: int = 64 << 20
