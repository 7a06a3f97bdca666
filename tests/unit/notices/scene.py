"""Receivers, their queues and a ledger on a clock that tests move; what is posted is a list."""

import json
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry

from dispatcher.config import Receiver
from dispatcher.core.notices import Happening, Pacing
from dispatcher.ledger.interface import Ledger, Telling
from dispatcher.ledger.memory import MemoryLedger
from dispatcher.notices.bodies import Request
from dispatcher.notices.collector import Collector
from dispatcher.notices.outbox import Outbox
from dispatcher.notices.post import NotDelivered, Receipt
from dispatcher.notices.sender import Addresses, Sender
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.metrics import Metrics
from tests.unit.desk import Watch
from tests.unit.notices.tell import US, receiver

PACING = Pacing(wait=1_000, interval=60_000)
TAKEN, DOWN = Receipt(status=200), Receipt(NotDelivered.UNREACHABLE)


class Scene:
    """One process after the other: `collector` and `sender` may be made anew on the same ledger."""

    def __init__(self, *receivers: Receiver) -> None:
        self.watch = Watch()
        self.ledger: Ledger = MemoryLedger(self.watch)
        self.receivers = list(receivers or (receiver(pacing=PACING),))
        self.outbox = Outbox(lambda: self.receivers, Mask())
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.health = Health(self.watch)
        self.lines: list[dict[str, Any]] = []
        self.saves = 0
        self.posted: list[tuple[str, Any]] = []
        self.answer: Callable[[Receiver], Receipt] = lambda _: TAKEN
        self.collector = self.new_collector()
        self.sender = self.new_sender()

    def new_collector(self) -> Collector:
        """Another replica's, or the next process's."""
        return Collector(self.ledger, lambda: self.receivers)

    def new_sender(self) -> Sender:
        """Likewise."""
        log = Log(lambda line: self.lines.append(json.loads(line)), lambda: self.watch.time / 1000)
        addresses = Addresses(self._find, lambda: US, self.watch)
        return Sender(self.ledger, addresses, self._post, log, self.metrics, self.health)

    async def happen(self, *happenings: Happening) -> None:
        """The ledger has a notice of each, posted with some save."""
        self.saves += 1
        notices = self.outbox.posted(*happenings)
        await self.ledger.replace_memo(f"save {self.saves}", None, b"saved", telling=Telling(notices=notices))

    async def send_all(self, name: str = "ops") -> int:
        """Everything that is due now has been tried once; how many messages."""
        count = 0
        while await self.sender.send(name):
            count += 1
        return count

    def tried(self) -> list[tuple[str, str, int]]:
        """To whom what was posted: the type, and how many happenings."""
        return [(name, body["type"], body["data"]["count"]) for name, body in self.posted]

    async def _post(self, to: Receiver, request: Request) -> Receipt:
        self.posted.append((to.name, json.loads(request.body) | {"id": request.headers["webhook-id"]}))
        return self.answer(to)

    def _find(self, name: str) -> Receiver | None:
        return next((one for one in self.receivers if one.name == name), None)
