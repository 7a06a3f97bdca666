"""Metrics of the present state, refreshed from the ledger: the same on every replica."""

from collections.abc import Callable, Collection
from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.core.session import Session, State
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Ledger
from dispatcher.ledger.repeating import repeat
from dispatcher.telemetry.metrics import Metrics

EVERY_S: Final = 5.0
WAITING_MAX: Final = 1_000  # sessions read for the longest wait
_UNSERVED: Final = (State.WAITING, State.REQUESTED, State.STARVED)


class Gauges:
    """Keeps `assignments` and `oldest_wait_seconds` of `projects` true to the ledger, EVERY_S old at most."""

    def __init__(self, ledger: Ledger, projects: Callable[[], Collection[str]], metrics: Metrics) -> None:
        self.ledger = ledger
        self.projects = projects  # those that are configured now
        self.metrics = metrics

    async def run(self) -> None:
        await repeat(self.refresh, EVERY_S)

    async def refresh(self) -> None:
        """Set the gauges to what the ledger says now of the configured projects."""
        totals = dict.fromkeys(State, 0)
        projects = self.projects()
        for (project, standing), number in (await self.ledger.standings()).items():
            if project in projects and standing.state in totals:  # else an earlier release wrote it, in its words
                totals[State(standing.state)] += number
        for state, number in totals.items():
            self.metrics.assignments.labels(state=state).set(number)
        self.metrics.oldest_wait_seconds.set(await self._oldest_wait() / 1000)

    async def _oldest_wait(self) -> Ms:
        now = await self.ledger.now()
        since = [now]
        for project in self.projects():
            for state in _UNSERVED:
                for known in await sessions.live(self.ledger, project, state, limit=WAITING_MAX):
                    since.extend(_waiting_since(known.session))
        return now - min(since)


def _waiting_since(session: Session) -> list[Ms]:
    return [
        assignment.waiting_since
        for assignment in session.assignments
        if assignment.waiting_since and assignment.state in _UNSERVED
    ]
