"""Collects what waits in the ledger into the queue of each receiver.

Every receiver's queue has a notice before the ledger loses it, and none has it twice: a queue knows what was read for
it last. So whoever dies in between is succeeded by any replica.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from dispatcher.config import Receiver
from dispatcher.core.notices import gather
from dispatcher.ledger.interface import Ledger, LedgerUnavailable
from dispatcher.notices.outbox import read
from dispatcher.notices.queues import Queues

EVERY_S: Final = 1.0
TURN_MS: Final = 200  # for one replica; the others come in the meantime, and find that it is not theirs
READ_MAX: Final = 512  # notices at once


class Collector:
    """Collects for the receivers that are configured; one replica does at a time."""

    def __init__(self, ledger: Ledger, receivers: Callable[[], Sequence[Receiver]]) -> None:
        self.ledger = ledger
        self.receivers = receivers
        self.queues = Queues(ledger)

    async def run(self) -> None:
        """Collect, for ever."""
        while True:
            collected = 0
            with suppress(LedgerUnavailable):  # what waits there waits on; whoever watches the ledger tells of it
                if self.receivers() and await self.ledger.turn("notices", TURN_MS):
                    collected = await self.collect()
            await asyncio.sleep(0 if collected == READ_MAX else EVERY_S)

    async def collect(self) -> int:
        """Collect up to READ_MAX notices; how many. Raises LedgerUnavailable.

        0 also where somebody else changed a queue meanwhile: what waits stays, and is read again.
        """
        receivers = self.receivers()
        queues = await self.queues.read([receiver.name for receiver in receivers])  # before what waits: see `gather`
        waiting = await self.ledger.notices.oldest(READ_MAX)
        if not waiting:
            return 0
        found = [(one.id, happening) for one in waiting if (happening := read(one.notice)) is not None]
        now = await self.ledger.now()
        for receiver, kept in zip(receivers, queues, strict=True):
            after = gather(kept.queue, found, receiver.kinds, receiver.pacing, now)
            if not await self.queues.replace(receiver.name, kept, after):
                return 0
        await self.ledger.notices.discard([one.id for one in waiting])
        return len(waiting)
