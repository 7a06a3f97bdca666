"""What LiveKit shows of a room at the moment somebody asks: few looks at a time, and none is waited for long."""

from typing import Final

from msgspec.structs import replace

from dispatcher.core.facts import RoomSid
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.ledger.interface import Key
from dispatcher.livekit.failures import LiveKitError
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.telemetry.masks import Mask

AT_ONCE: Final = 4  # looks for those who ask; who comes later is answered without one


class Live:
    """Looks at rooms for people. Nothing is decided by these looks, and nothing of them is kept."""

    def __init__(self, holder: ConfigHolder, mask: Mask) -> None:
        self.holder = holder
        self.mask = mask
        self._under_way = 0

    async def look(self, key: Key) -> RoomSnapshot | None:
        """Look at the session's room; None: LiveKit does not answer, or too many ask at once."""
        runtime = self.holder.snapshot.projects.get(key.project)
        if runtime is None or self._under_way >= AT_ONCE:
            return None
        self._under_way += 1
        try:
            return await runtime.livekit.look(key.room, RoomSid(key.sid))
        except LiveKitError:  # the service's own trouble tells of it (`telemetry.health`)
            return None
        finally:
            self._under_way -= 1

    def shown(self, look: RoomSnapshot) -> RoomSnapshot:
        """The look as it may be shown: with marks for people, where identities are masked."""
        people = (replace(one, identity=self.mask.identity(one.known_as)) for one in look.participants)
        return replace(look, participants=tuple(people))
