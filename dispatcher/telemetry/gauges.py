"""Metrics of the present state, refreshed from the ledger: the same on every replica."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.core.session import Session, State
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Ledger
from dispatcher.ledger.order import Order, Position
from dispatcher.ledger.repeating import repeat
from dispatcher.telemetry.metrics import Metrics

EVERY_S: Final = 5.0
WAITING_MAX: Final = 1_000  # sessions of a project that are looked through for the longest wait
BATCH: Final = 20  # of them, between two turns of others: one is enough where no agent is paused
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
        return now - min([await self._oldest_since(project, now) for project in self.projects()], default=now)

    async def _oldest_since(self, project: str, now: Ms) -> Ms:
        """Since when somebody has waited for longest, but for those whose agent is paused; `now`: nobody waits."""
        oldest, after = now, None
        for _ in range(WAITING_MAX // BATCH):
            lives = await self.ledger.list(project, order=Order.WAIT, after=after, limit=BATCH)
            for life in lives:
                if life.waiting_since >= oldest:
                    return oldest
                oldest = min([oldest, *_waiting_since(sessions.known(life).session)])
                after = Position(life.waiting_since, life.key.sid)
            if not lives:
                break
            await asyncio.sleep(0)  # others have their turn
        return oldest


def _waiting_since(session: Session) -> list[Ms]:
    return [
        assignment.waiting_since
        for assignment in session.assignments
        if assignment.waiting_since and assignment.state in _UNSERVED
    ]
