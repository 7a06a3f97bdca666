"""The periodic comparison of all live rooms with the ledger: a webhook that never came costs time, never truth.

For each live room it says what a webhook would have said, "look at this session", paced; so a room whose webhooks were
all lost, a ledger that was emptied and an installation that starts on a running LiveKit are one and the same case.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from dispatcher.core.events import Event, Ms, Room, RoomSid
from dispatcher.core.record import dump_event
from dispatcher.driver import Site
from dispatcher.ledger.interface import Delivered, Key, Ledger, LedgerUnavailable
from dispatcher.livekit import LiveKitError
from dispatcher.logs import Log
from dispatcher.metrics import Metrics

SWEPT: Final = "swept"  # the name of the sweep's events
TURN_S: Final = 1.0  # how often a replica asks whether it is its turn


class Sweep:
    """Looks at every live room of every project once per `every` ms, at most `looks_per_second` of them."""

    def __init__(
        self,
        ledger: Ledger,
        sites: Mapping[str, Site],
        log: Log,
        metrics: Metrics,
        *,
        every: Ms,
        looks_per_second: float,
    ) -> None:
        self.ledger = ledger
        self.sites = sites
        self.log = log
        self.metrics = metrics
        self.every = every
        self.pause = 1 / looks_per_second
        self._after: dict[str, str] = {}  # the SID up to which known ones were looked at
        self._listed: dict[str, set[Key]] = {}  # by the last sweep

    async def run(self, project: str) -> None:
        """Sweeps the project at once, and then for ever; one replica does it per interval."""
        while True:
            await self._turn(project)
            await asyncio.sleep(TURN_S)

    async def _turn(self, project: str) -> None:
        try:
            if await self.ledger.turn(f"sweep/{project}", self.every):
                await self.sweep(project)
        except LedgerUnavailable:
            self.log.warning("sweep_put_off", project=project, why="ledger_unavailable")
        except LiveKitError as error:
            self.log.warning("sweep_put_off", project=project, why=error.reason)

    async def sweep(self, project: str) -> None:
        """Every live room's session is due for a look, the unknown ones first, as far as one interval's looks reach."""
        rooms = [room for room in await self.sites[project].livekit.rooms() if room.sid]
        keys = {Key(project, room.name, room.sid): room for room in rooms}
        await self._close(project, set(keys))
        unknown = await self.ledger.touch(list(keys))
        known = self._in_turn(project, [key for key in keys if key not in unknown])
        budget = max(1, int(self.every / 1000 / self.pause))
        if len(rooms) > budget:
            self.log.warning(
                "sweep_takes_longer", project=project, rooms=len(rooms), seconds=round(len(rooms) * self.pause)
            )
        chosen = [*sorted(unknown, key=lambda key: key.sid), *known][:budget]
        for key in chosen:
            if await self._nudge(key, keys[key]) and key in unknown:
                self.metrics.sweep_repairs_total.labels(kind="unknown_room").inc()
                self.log.info("repaired", project=key.project, room=key.room, sid=key.sid, why="unknown_room")
            await asyncio.sleep(self.pause)
        if chosen and chosen[-1] not in unknown:
            self._after[project] = chosen[-1].sid

    def _in_turn(self, project: str, known: Sequence[Key]) -> list[Key]:
        """By SID, from where the last sweep stopped: the one that waited longest comes first."""
        after = self._after.get(project, "")
        return sorted(known, key=lambda key: (key.sid <= after, key.sid))

    async def _close(self, project: str, listed: set[Key]) -> None:
        """Rooms that were listed last time and no longer are: their end may not have been heard of."""
        for key in self._listed.get(project, set()) - listed:
            if await self._nudge(key, Room(sid=RoomSid(key.sid), name=key.room)):
                self.metrics.sweep_repairs_total.labels(kind="unheard_end").inc()
                await asyncio.sleep(self.pause)
        self._listed[project] = listed

    async def _nudge(self, key: Key, room: Room) -> bool:
        """The session is due for a look; False: it is over."""
        event = Event(id="", name=SWEPT, created_at=0, room=room)
        delivery = await self.ledger.deliver(key, "", dump_event(event), take=False)
        return delivery.outcome is Delivered.ACCEPTED
