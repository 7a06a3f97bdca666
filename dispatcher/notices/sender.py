"""Sends each receiver what it is owed: a loop for each, so that none waits for another.

A message that is being sent is nobody else's for NOTICE_TRY_MS; whoever dies over it is succeeded then. So a receiver
may get a message twice, with the same id, and never loses one within a day.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

from dispatcher.config import Receiver
from dispatcher.core.facts import Ms
from dispatcher.core.notices import Message, being_sent, due_messages, make_messages, next_try, settled, waiting
from dispatcher.ledger.interface import Ledger, LedgerUnavailable
from dispatcher.notices.bodies import Request, Teller, request
from dispatcher.notices.post import Receipt
from dispatcher.notices.queues import Queues
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics, begin

EVERY_S: Final = 1.0
RESULTS: Final = ("delivered", "failed", "given_up")

Post: TypeAlias = Callable[[Receiver, Request], Awaitable[Receipt]]  # as `notices.post.Post`


class Addresses:
    """Who tells, and whom, as the configuration in force says. `clock` is the machine's: signatures bear its time."""

    def __init__(
        self, find: Callable[[str], Receiver | None], us: Callable[[], Teller], clock: Callable[[], Ms]
    ) -> None:
        self.find = find
        self.us = us
        self.clock = clock


class Sender:
    """Sends what is due."""

    def __init__(
        self, ledger: Ledger, addresses: Addresses, post: Post, log: Log, metrics: Metrics, health: Health
    ) -> None:
        self.ledger = ledger
        self.health = health
        self.queues = Queues(ledger)
        self.addresses = addresses
        self.post = post
        self.log = log
        self.metrics = metrics

    async def run(self, name: str) -> None:
        """Send the receiver of this name what it is owed, for ever."""
        begin(self.metrics.notices_total, [name], RESULTS)
        begin(self.metrics.notices_waiting, [name])
        try:
            while True:
                sent = False
                with suppress(LedgerUnavailable):  # what is owed stays owed; whoever watches the ledger tells of it
                    sent = await self.send(name)
                await asyncio.sleep(0 if sent else EVERY_S)
        finally:
            self.metrics.notices_waiting.remove(name)
            self.health.notices_taken(name)

    async def send(self, name: str) -> bool:
        """Send one message, if one is due; whether one was. Raises LedgerUnavailable."""
        receiver = self.addresses.find(name)
        if receiver is None:
            return False
        [kept] = await self.queues.read([name])
        owed = waiting(kept.queue)
        self.metrics.notices_waiting.labels(name).set(owed)
        if not owed:
            self.health.notices_taken(name)
        now = await self.ledger.now()
        queue = make_messages(kept.queue, receiver.pacing, now, receiver=name)
        due = due_messages(queue, now)
        if not due:
            await self.queues.replace(name, kept, queue)
            return False
        queue, message = being_sent(queue, due[0], now)
        if not await self.queues.replace(name, kept, queue):
            return False
        await self._send(receiver, message)
        return True

    async def _send(self, receiver: Receiver, message: Message) -> None:
        receipt = await self.post(receiver, request(message, receiver, self.addresses.us(), self.addresses.clock()))
        now = await self.ledger.now()
        again_at = None if receipt.why is None else next_try(message, now, after=receipt.after)
        await self.queues.change(receiver.name, lambda queue: settled(queue, message, again_at))
        self._tell(receiver, message, receipt, None if again_at is None else again_at - now)

    def _tell(self, receiver: Receiver, message: Message, receipt: Receipt, again_in: Ms | None) -> None:
        log, total = self.log.bind(id=message.id, tries=message.tries), message.total
        name, kind = receiver.name, message.kind
        if receipt.why is None:
            result = "delivered"
            self.health.notices_taken(name)
            log.info("notice.delivered", receiver=name, kind=kind, happenings=total)
        elif again_in is not None:
            result = "failed"
            self.health.notice_failed(name, receipt.why)
            log.warning("notice.failed", receiver=name, kind=kind, why=str(receipt), seconds=again_in // 1000)
        else:
            result = "given_up"
            log.error("notice.given_up", receiver=name, kind=kind, why=str(receipt), happenings=total)
        self.metrics.notices_total.labels(receiver=receiver.name, result=result).inc()
