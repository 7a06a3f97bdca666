"""The only way in: an event becomes an entry of the ledger, and, where nobody holds its session, a drive.

Acknowledged is what the ledger has (law 1). LiveKit is never asked here: a slow answer costs events.
"""

from enum import StrEnum

from dispatcher.core.events import HEARD, Event
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Delivered, Key, Ledger
from dispatcher.worker import Worker


class Heard(StrEnum):
    """What became of an event; also its `result` in the metrics."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    OVER = "over"  # its room has ended
    IGNORED = "ignored"  # it says nothing we use


_HEARD = {Delivered.ACCEPTED: Heard.RECORDED, Delivered.DUPLICATE: Heard.REPEATED, Delivered.OVER: Heard.OVER}


class Intake:
    """Takes verified events of every project."""

    def __init__(self, ledger: Ledger, worker: Worker) -> None:
        self.ledger = ledger
        self.worker = worker

    async def hear(self, project: str, event: Event) -> Heard:
        """The event is recorded, and its session on its way. Raises LedgerUnavailable: it may or may not be."""
        if event.name not in HEARD or event.room is None or not event.room.sid:
            return Heard.IGNORED
        key = Key(project, event.room.name, event.room.sid)
        with self.worker.places(1) as places:
            delivery = await sessions.deliver(self.ledger, key, event, take=places > 0)
        if delivery.held is not None:
            self.worker.take(delivery.held)
        return _HEARD[delivery.outcome]
