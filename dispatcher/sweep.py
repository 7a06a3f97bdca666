"""The periodic comparison of all live rooms with the ledger: a webhook that never came costs time, never truth.

For each live room it says what a webhook would have said, "look at this session", paced; so a room whose webhooks were
all lost, a ledger that was emptied and an installation that starts on a running LiveKit are one and the same case.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from dispatcher.core.events import Event, Room, RoomSid
from dispatcher.core.record import dump_event
from dispatcher.current import Current, Site
from dispatcher.ledger.interface import Delivered, Key, Ledger, LedgerUnavailable
from dispatcher.livekit import LiveKitError
from dispatcher.logs import Log
from dispatcher.metrics import Metrics
from dispatcher.pacer import SHARES, Pacer

SWEPT: Final = "swept"  # the name of the sweep's events
TURN_S: Final = 1.0  # how often a replica asks whether it is its turn


class Sweep:
    """Looks at every live room of every project once per `sweep.every`, at most `looks_per_second` of them.

    Where a project's calls are limited, the sweep causes no more than half of the looks that its limit allows.
    """

    def __init__(self, ledger: Ledger, current: Current, pacer: Pacer, log: Log, metrics: Metrics) -> None:
        self.ledger = ledger
        self.current = current
        self.pacer = pacer
        self.log = log
        self.metrics = metrics
        self._after: dict[str, str] = {}  # the SID up to which known ones were looked at
        self._listed: dict[str, set[Key]] = {}  # by the last sweep

    async def run(self, project: str) -> None:
        """Sweeps the project at once, and then for ever; one replica does it per interval."""
        while True:
            await self._turn(project)
            await asyncio.sleep(TURN_S)

    async def _turn(self, project: str) -> None:
        try:
            if await self.ledger.turn(f"sweep/{project}", self.current.now.sweep.every):
                await self.sweep(project)
        except LedgerUnavailable:
            self.log.warning("sweep_put_off", project=project, why="ledger_unavailable")
        except LiveKitError as error:
            self.log.warning("sweep_put_off", project=project, why=error.reason)

    async def sweep(self, project: str) -> None:
        """Every live room's session is due for a look, the unknown ones first, as far as one interval's looks reach."""
        now = self.current.now
        site = now.sites.get(project)
        if site is None:  # it has left the configuration
            return
        pause = self._pause(site, now.sweep.looks_per_second)
        await asyncio.sleep(await self.pacer.to_look(project, site.limit) / 1000)
        rooms = [room for room in await site.livekit.rooms() if room.sid]
        keys = {Key(project, room.name, room.sid): room for room in rooms}
        await self._close(project, set(keys), pause)
        unknown = await self.ledger.touch(list(keys))
        known = self._in_turn(project, [key for key in keys if key not in unknown])
        budget = max(1, int(now.sweep.every / 1000 / pause))
        if len(rooms) > budget:
            self.log.warning("sweep_takes_longer", project=project, rooms=len(rooms), seconds=round(len(rooms) * pause))
        chosen = [*sorted(unknown, key=lambda key: key.sid), *known][:budget]
        for key in chosen:
            if await self._nudge(key, keys[key]) and key in unknown:
                self.metrics.sweep_repairs_total.labels(kind="unknown_room").inc()
                self.log.info("repaired", project=key.project, room=key.room, sid=key.sid, why="unknown_room")
            await asyncio.sleep(pause)
        if chosen and chosen[-1] not in unknown:
            self._after[project] = chosen[-1].sid

    def _pause(self, site: Site, looks_per_second: float) -> float:
        """Seconds between two sessions."""
        if site.limit is not None:
            looks_per_second = min(looks_per_second, site.limit.calls_per_second / SHARES / 2)
        return 1 / looks_per_second

    def _in_turn(self, project: str, known: Sequence[Key]) -> list[Key]:
        """By SID, from where the last sweep stopped: the one that waited longest comes first."""
        after = self._after.get(project, "")
        return sorted(known, key=lambda key: (key.sid <= after, key.sid))

    async def _close(self, project: str, listed: set[Key], pause: float) -> None:
        """Rooms that were listed last time and no longer are: their end may not have been heard of."""
        for key in self._listed.get(project, set()) - listed:
            if await self._nudge(key, Room(sid=RoomSid(key.sid), name=key.room)):
                self.metrics.sweep_repairs_total.labels(kind="unheard_end").inc()
                await asyncio.sleep(pause)
        self._listed[project] = listed

    async def _nudge(self, key: Key, room: Room) -> bool:
        """The session is due for a look; False: it is over."""
        event = Event(id="", name=SWEPT, created_at=0, room=room)
        delivery = await self.ledger.deliver(key, "", dump_event(event), take=False)
        return delivery.outcome is Delivered.ACCEPTED
