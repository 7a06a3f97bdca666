"""How circuits stand, every few seconds: for Prometheus, and by what is seen of the configured workers."""

from collections.abc import Callable, Iterable
from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.core.rules import Target
from dispatcher.core.targets import Circuit
from dispatcher.core.workers import WorkersSeen
from dispatcher.ledger.repeating import repeat
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.targets.breaker import Breaker, KnownTarget
from dispatcher.telemetry.metrics import Metrics

EVERY_S: Final = 5.0


class Circuits:
    """Keeps `target_circuit_open` true for every target that the configuration names, EVERY_S old at most.

    A worker that is seen is a sign of life of every target of its name. One that was seen and is there no more opens
    the circuit, once: whoever has workers that the configuration does not name shows it by the agents that come.
    """

    def __init__(
        self, breaker: Breaker, holder: ConfigHolder, metrics: Metrics, seen: Callable[[], WorkersSeen] = WorkersSeen
    ) -> None:
        self.breaker = breaker
        self.holder = holder
        self.metrics = metrics
        self.seen = seen  # the workers, when they were asked last
        self._missed: dict[tuple[str, Target], Ms] = {}  # when the last worker was seen of those that were told

    async def run(self) -> None:
        await repeat(self.refresh, EVERY_S)

    async def refresh(self) -> None:
        """Set the gauge to what is known now, and tell what is seen of workers. Raises LedgerUnavailable."""
        now = await self.breaker.board.ledger.now()
        known = await self.breaker.known(self.holder.snapshot.projects, now)
        self._tell(known, self.seen(), now)
        self.metrics.target_circuit_open.clear()
        for one in known:
            is_open = one.circuit is not Circuit.CLOSED
            self.metrics.target_circuit_open.labels(project=one.project, agent=str(one.target)).set(is_open)

    def _tell(self, known: Iterable[KnownTarget], seen: WorkersSeen, now: Ms) -> None:
        for one in known:
            if one.target.launcher:  # it has no workers
                continue
            sighting, key = seen.of(one.target.agent), (one.project, one.target)
            if sighting and sighting.workers:
                self.breaker.board.worker_seen(*key, now)
                continue
            missed_at = sighting.last_seen_at if sighting else 0
            expected = sighting is not None or not one.facts.seen_at
            if expected and seen.lacks(one.target.agent) and self._missed.get(key) != missed_at:
                self._missed[key] = missed_at
                self.breaker.board.no_worker(*key, now)
