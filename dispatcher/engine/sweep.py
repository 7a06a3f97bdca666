"""The periodic comparison of all live rooms with the ledger: a webhook that never came costs time, never truth.

For each live room it says what a webhook would have said, "look at this session", paced; so a room whose webhooks were
all lost, a ledger that was emptied and an installation that starts on a running LiveKit are one and the same case.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from heapq import merge
from itertools import chain, islice
from typing import Final, TypeVar

from dispatcher.core.facts import SWEPT, Room, is_probe
from dispatcher.core.probes import probe_rooms
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Delivered, Key, Ledger, LedgerUnavailable
from dispatcher.livekit.failures import LiveKitError
from dispatcher.runtime.snapshot import ConfigHolder, ProjectRuntime
from dispatcher.targets.rate import SHARES, Pacer
from dispatcher.telemetry.calls import CallRecorder
from dispatcher.telemetry.metrics import begin

TURN_S: Final = 1.0  # how often a replica asks whether it is its turn
T = TypeVar("T")

AT_ONCE: Final = 500  # rooms between two turns of other work, and sessions that the ledger is asked for: some 2 ms
PROBE_LEFT_MS: Final = 180_000  # a room of a probe that is so old was left: longer than one takes, and clocks differ
RECALLED_MAX: Final = 10_000  # sessions that a new process asks the ledger for; some 20 MB


class Repair(StrEnum):
    """What a webhook should have told, and the sweep has found."""

    UNKNOWN_ROOM = "unknown_room"
    UNHEARD_END = "unheard_end"


class Sweep:
    """Looks at every live room of every project once per `sweep.every`, at most `looks_per_second` of them.

    So it does, once, at rooms that LiveKit no longer lists: nobody may have told of their end.
    Where a project's calls are limited, the sweep causes no more than half of the looks that its limit allows.
    """

    def __init__(self, ledger: Ledger, holder: ConfigHolder, pacer: Pacer, calls: CallRecorder) -> None:
        self.ledger = ledger
        self.holder = holder
        self.pacer = pacer
        self.calls = calls
        self.log = calls.log
        self.metrics = calls.metrics
        begin(self.metrics.sweep_repairs_total, Repair)
        self._ordered: set[str] = set()  # projects
        self._after: dict[str, str] = {}  # the SID up to which known ones were looked at
        self._listed: dict[str, AbstractSet[Key]] = {}  # by the last sweep, and what it left to the next
        self._at_first: dict[str, set[tuple[Key, Repair]]] = {}  # met by the first sweep, and not told of yet

    def order(self, project: str) -> None:
        """Sweep the project at the next turn, whoever did it last, and when."""
        self._ordered.add(project)

    async def run(self, project: str) -> None:
        """Sweeps the project at once, and then for ever; one replica does it per interval."""
        while True:
            await self._turn(project)
            await asyncio.sleep(TURN_S)

    async def _turn(self, project: str) -> None:
        try:
            turn = await self.ledger.turn(f"sweep/{project}", self.holder.snapshot.config.sweep.every)
            if turn or project in self._ordered:
                self._ordered.discard(project)
                await self.sweep(project)
        except LedgerUnavailable:
            return  # whoever watches the ledger tells of it
        except LiveKitError as error:
            self.calls.sweep_failed(project, error)

    async def sweep(self, project: str) -> None:
        """Every live room's session is due for a look, as far as one interval's looks reach.

        First the unknown ones, then those whose room is gone, then the known ones in turn.
        """
        snapshot = self.holder.snapshot
        runtime = snapshot.projects.get(project)
        if runtime is None:  # it has left the configuration
            return
        pause = self._pause(runtime, snapshot.config.sweep.looks_per_second)
        before = await self._before(project)
        await asyncio.sleep(await self.pacer.to_look(project, runtime.api_rate_limit) / 1000)
        rooms, probes = await self._rooms(project, runtime)
        live = {key async for some in _batches(rooms) for key in some}
        gone = [key async for some in _batches(before) for key in some if key not in live]
        unknown = await self._unknown([*rooms, *gone])
        repairs = dict.fromkeys(sorted(unknown & live, key=_by_sid), Repair.UNKNOWN_ROOM)
        repairs |= dict.fromkeys(sorted((key for key in gone if key not in unknown), key=_by_sid), Repair.UNHEARD_END)
        self._at_first.setdefault(project, set(repairs.items()))
        budget = max(1, int(snapshot.config.sweep.every / 1000 / pause))
        if len(rooms) > budget:
            self.log.warning("sweep.prolonged", project=project, rooms=len(rooms), seconds=round(len(rooms) * pause))
        untold = {*repairs}
        for key in chain(repairs, await self._in_turn(project, rooms, unknown)):
            if not budget:
                break
            untold.discard(key)
            if not await self._nudge(key, rooms.get(key)):
                continue
            if key in repairs:
                self._repaired(key, repairs[key])
            else:
                self._after[project] = key.sid
            budget -= 1
            await asyncio.sleep(pause)
        live |= untold
        self._listed[project] = live
        self.calls.swept(project)
        await self._end_probes(project, runtime, probes)

    async def _rooms(self, project: str, runtime: ProjectRuntime) -> tuple[dict[Key, Room], list[Room]]:
        """All that live, and apart from them those of probes."""
        rooms, probes = dict[Key, Room](), list[Room]()
        listed = await runtime.livekit.rooms()
        self.calls.livekit_answered(project)
        async for some in _batches(listed):
            probes += [room for room in some if room.sid and is_probe(room.name)]
            rooms |= {Key(project, room.name, room.sid): room for room in some if room.sid and not is_probe(room.name)}
        return rooms, probes

    async def _unknown(self, keys: Sequence[Key]) -> set[Key]:
        """Those that the ledger does not know; it keeps the others."""
        return {key async for some in _batches(keys) for key in await self.ledger.touch(some)}

    async def _before(self, project: str) -> AbstractSet[Key]:
        """The rooms that lived at the last sweep, or at this process's first those that the ledger has."""
        if project in self._listed:
            return self._listed[project]
        self._listed[project] = frozenset()  # asked once: a ledger that is slow with so many holds up no later sweep
        lives = await self.ledger.list(project, limit=RECALLED_MAX)
        self._listed[project] = {life.key for life in lives if not is_probe(life.key.room)}
        return self._listed[project]

    async def _end_probes(self, project: str, runtime: ProjectRuntime, rooms: Sequence[Room]) -> None:
        """End the rooms that probes of ours have left. Those that probes are under way in, and others', stay."""
        ours = probe_rooms(self.calls.health.instance)
        for room in rooms:
            if room.name.startswith(ours) and room.created_at < await self.ledger.now() - PROBE_LEFT_MS:
                await self.pacer.taking_back(project, runtime.api_rate_limit)
                await runtime.livekit.end(room.name)
                await sessions.remind(self.ledger, Key(project, room.name, room.sid), SWEPT)
                self.log.warning("probe.left", project=project, room=room.name)

    def _pause(self, runtime: ProjectRuntime, looks_per_second: float) -> float:
        """Seconds between two sessions."""
        if runtime.api_rate_limit is not None:
            looks_per_second = min(looks_per_second, runtime.api_rate_limit.calls_per_second / SHARES / 2)
        return 1 / looks_per_second

    async def _in_turn(self, project: str, rooms: Iterable[Key], unknown: AbstractSet[Key]) -> Iterator[Key]:
        """The known ones by SID, from where the last sweep stopped: the one that waited longest comes first."""
        after = self._after.get(project, "")

        def turn(key: Key) -> tuple[bool, str]:
            return key.sid <= after, key.sid

        known = [sorted((key for key in some if key not in unknown), key=turn) async for some in _batches(rooms)]
        return merge(*known, key=turn)

    def _repaired(self, key: Key, kind: Repair) -> None:
        """Tell what was made up for. What came or went before this process first looked is no lost webhook."""
        at_first, log = self._at_first[key.project], self.log.bind(project=key.project, room=key.room, sid=key.sid)
        if (key, kind) in at_first:
            at_first.remove((key, kind))
            log.info("session.found", why=kind)
        else:
            self.metrics.sweep_repairs_total.labels(kind=kind).inc()
            log.info("session.repaired", why=kind)
            if kind is Repair.UNKNOWN_ROOM:
                self.calls.health.room_found(key.project)

    async def _nudge(self, key: Key, room: Room | None) -> bool:
        """The session is due for a look; False: it is over."""
        delivery = await sessions.remind(self.ledger, key, SWEPT, room=room)
        return delivery.outcome is Delivered.ACCEPTED


def _by_sid(key: Key) -> str:
    return key.sid


async def _batches(things: Iterable[T]) -> AsyncIterator[Sequence[T]]:
    """AT_ONCE of them at a time; after each batch other work has its turn: no number of rooms delays a webhook."""
    rest = iter(things)
    while some := tuple(islice(rest, AT_ONCE)):
        yield some
        await asyncio.sleep(0)
