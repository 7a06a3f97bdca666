"""How circuits stand, for Prometheus: refreshed from what all replicas know, so the same on each."""

import asyncio
from contextlib import suppress
from typing import Final

from dispatcher.core.targets import Circuit
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.targets.breaker import Breaker
from dispatcher.telemetry.metrics import Metrics

EVERY_S: Final = 5.0


class Circuits:
    """Keeps `target_circuit_open` true for every target that the configuration names, EVERY_S old at most."""

    def __init__(self, breaker: Breaker, holder: ConfigHolder, metrics: Metrics) -> None:
        self.breaker = breaker
        self.holder = holder
        self.metrics = metrics

    async def run(self) -> None:
        while True:
            with suppress(LedgerUnavailable):  # what was true stays; whoever works on sessions has told it
                await self.refresh()
            await asyncio.sleep(EVERY_S)

    async def refresh(self) -> None:
        """Set the gauge to what is known now. Raises LedgerUnavailable."""
        known = await self.breaker.known(self.holder.snapshot.projects, await self.breaker.board.ledger.now())
        self.metrics.target_circuit_open.clear()
        for one in known:
            is_open = one.circuit is not Circuit.CLOSED
            self.metrics.target_circuit_open.labels(project=one.project, agent=str(one.target)).set(is_open)
