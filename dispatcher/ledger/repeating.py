"""What is done again and again with the ledger, as long as the service runs."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from dispatcher.ledger.interface import LedgerUnavailable


async def repeat(step: Callable[[], Awaitable[object]], every_s: float) -> None:
    """Take the step, for ever, with this many seconds between one step's end and the next.

    Where the ledger cannot be asked, what was true stays until the next step: `telemetry.health` tells of the ledger.
    """
    while True:
        with suppress(LedgerUnavailable):
            await step()
        await asyncio.sleep(every_s)
