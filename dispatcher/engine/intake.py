"""The only way in: an event becomes an entry of the ledger, and, where nobody holds its session, a drive.

Acknowledged is what the ledger has (law 1). LiveKit is never asked here: a slow answer costs events.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from dispatcher.core.audience import asked_for
from dispatcher.core.events import Event
from dispatcher.core.facts import AGENT_JOBS, RELEVANT_EVENTS
from dispatcher.core.rules import Rule
from dispatcher.engine.runner import Runner
from dispatcher.engine.slices import sliced
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Delivered, Key, Ledger
from dispatcher.telemetry.tracing import Tracing

JUDGED_S: Final = 0.02  # that judging who has joined may take; beyond, a look will do it


class IntakeResult(StrEnum):
    """What became of an event; also its `result` in the metrics."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    ROOM_FINISHED = "room_finished"  # its room has ended
    IGNORED = "ignored"  # it says nothing we use


_RESULTS = {
    Delivered.ACCEPTED: IntakeResult.RECORDED,
    Delivered.DUPLICATE: IntakeResult.DUPLICATE,
    Delivered.OVER: IntakeResult.ROOM_FINISHED,
}


class Intake:
    """Takes verified events of every project. `rules_of` gives a project's rules as they are in force."""

    def __init__(
        self,
        ledger: Ledger,
        runner: Runner,
        rules_of: Callable[[str], tuple[Rule, ...]],
        tracing: Tracing | None = None,
    ) -> None:
        self.ledger = ledger
        self.runner = runner
        self.rules_of = rules_of
        self.tracing = tracing

    async def accept(self, project: str, event: Event) -> IntakeResult:
        """The event is recorded, and its session on its way. Raises LedgerUnavailable: it may or may not be."""
        relevant = event.name in RELEVANT_EVENTS | AGENT_JOBS
        if not relevant or event.room is None or not event.room.sid:
            return IntakeResult.IGNORED
        key = Key(project, event.room.name, event.room.sid)
        return await self.record(key, replace(event, asked_for=await self._asked_for(project, event)))

    async def record(self, key: Key, event: Event) -> IntakeResult:
        """The event, or the order, is in its session's inbox, and the session on its way. Raises LedgerUnavailable."""
        if self.tracing:
            event = self.tracing.caused(key, event)
        with self.runner.reserved(1) as places:
            delivery = await sessions.deliver(self.ledger, key, event, take=places > 0)
        if delivery.handover is not None:
            self.runner.take(delivery.handover)
        return _RESULTS[delivery.outcome]

    async def _asked_for(self, project: str, event: Event) -> tuple[str, ...] | None:
        """The rules that apply to who has joined; None, where that takes too long or fails: a look finds out."""
        try:
            return await sliced(asked_for(event, self.rules_of(project)), at_most=JUDGED_S)
        except Exception:  # noqa: BLE001  law 1: the event is recorded; the session's drive fails alike, and is told
            return None
