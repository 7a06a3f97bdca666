"""A sweep on trial: its rooms, its ledger, and what became due."""

from msgspec.structs import replace

from dispatcher.config import ApiRateLimit, SweepSettings
from dispatcher.core.effects import Then
from dispatcher.core.facts import Ms, Room, RoomSid
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.engine.sweep import Sweep
from dispatcher.ledger.interface import Key
from dispatcher.livekit.client import LiveKit
from dispatcher.targets.rate import Pacer
from dispatcher.telemetry.calls import CallRecorder
from tests.unit.desk import CONFIG, PROJECT, Desk, Staged

EVERY: Ms = 30_000


def key(number: int, project: str = PROJECT) -> Key:
    """The session of a room."""
    return Key(project, f"room-{number}", f"RM_{number:03}")


def live(livekit: Staged, *numbers: int) -> None:
    """LiveKit lists these rooms and no others."""
    livekit.lives = {
        RoomSid(key(number).sid): RoomSnapshot(room=Room(sid=RoomSid(key(number).sid), name=key(number).room))
        for number in numbers
    }


class Floor:
    """A sweep over a real ledger and a LiveKit with some rooms."""

    def __init__(self, *numbers: int, every: Ms = EVERY, **others: LiveKit) -> None:
        self.livekit = Staged()
        live(self.livekit, *numbers)
        self.desk = Desk(livekit=self.livekit)
        self.others = others
        self.sweep = self.replica(every)

    def replica(self, every: Ms = EVERY) -> Sweep:
        """Another process's sweep: 1,000 looks a second."""
        holder = self.desk.current(**self.others)
        config = replace(CONFIG, sweep=SweepSettings(every=every, looks_per_second=1_000))
        holder.snapshot = replace(holder.snapshot, config=config)
        calls = CallRecorder(self.desk.log, self.desk.metrics, self.desk.health)
        return Sweep(self.desk.ledger, holder, Pacer(self.desk.ledger), calls)

    def limit(self, limit: ApiRateLimit) -> None:
        """So many calls may be made to the project."""
        snapshot = self.sweep.holder.snapshot
        projects = {PROJECT: replace(snapshot.projects[PROJECT], api_rate_limit=limit)}
        self.sweep.holder.snapshot = replace(snapshot, projects=projects)

    async def due(self) -> list[int]:
        """The rooms that are due, in the order of their becoming so; all of them rest afterwards."""
        claimed, _ = await self.desk.ledger.claim(10_000)
        for handover in claimed:
            await self.desk.ledger.save(handover.lease, b"", handover.upto, Then.REST)
        return [int(handover.lease.key.sid[3:]) for handover in claimed]

    def repaired(self, kind: str) -> float:
        """What the sweep counts as made up for."""
        return self.desk.value("sweep_repairs_total", kind=kind)
