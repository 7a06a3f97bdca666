"""How the service stands: what the ledger says for all replicas, and what this one knows by itself."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from dispatcher.core.session import State
from dispatcher.http import routes, shown
from dispatcher.http.guard import Guard
from dispatcher.http.resources import Answering, OldestWait, ProjectHere, ReplicaHere, ToldLedger, ToldStats
from dispatcher.http.route import ApiCall, Nothing
from dispatcher.ledger.interface import Ledger, LedgerUnavailable
from dispatcher.ledger.order import Order
from dispatcher.telemetry.exposition import summed
from dispatcher.telemetry.masks import Mask

WAITING_READ: Final = 8  # sessions of each project: the first ones may end while they are read


class StatsApi:
    """`/v1/stats`, of the projects that the caller may see. It answers without the ledger, too."""

    def __init__(self, guard: Guard, ledger: Ledger, mask: Mask) -> None:
        self.guard = guard
        self.ledger = ledger
        self.mask = mask

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [routes.STATS.served(self.guard, self._stats)]

    async def _stats(self, call: ApiCall[Nothing, None]) -> ToldStats:
        """The ledger is asked first: whether it answers is known then."""
        health, projects = self.guard.health, call.caller.sees(self.guard.holder.snapshot.projects)
        try:
            ledger = await self._of_the_ledger(projects)
        except LedgerUnavailable:
            ledger = None
        return ToldStats(
            instance=health.instance,
            ledger=ledger,
            this_replica=self._here(projects, counts=call.caller.token.projects is None),
            dry_run=health.dry_run,
        )

    async def _of_the_ledger(self, projects: Sequence[str]) -> ToldLedger:
        """The same on every replica. Raises LedgerUnavailable."""
        numbers: dict[str, int] = dict.fromkeys(State, 0)
        for (project, standing), number in (await self.ledger.standings()).items():
            if project in projects and standing.state in numbers:  # else an earlier release wrote it, in its words
                numbers[standing.state] += number
        return ToldLedger(await self.ledger.now(), numbers, await self._oldest_wait(projects))

    async def _oldest_wait(self, projects: Sequence[str]) -> OldestWait | None:
        waiting = [
            OldestWait(project, self.mask.numbers(life.key.room), life.key.sid, life.waiting_since)
            for project in projects
            for life in await self.ledger.list(project, order=Order.WAIT, limit=WAITING_READ)
        ]
        return min(waiting, key=lambda one: (one.since, one.project, one.sid), default=None)

    def _here(self, projects: Sequence[str], *, counts: bool) -> ReplicaHere:
        """What this process knows; with `counts` also what it has counted of all projects together."""
        health, config = self.guard.health, self.guard.health.config
        several = len(self.guard.holder.snapshot.projects) > 1
        return ReplicaHere(
            version=health.version,
            webhooks=summed(self.guard.metrics.webhooks_total, "result") if counts else None,
            projects=tuple(self._project(project) for project in projects),
            ledger=Answering.FAILING if health.ledger_failing() else Answering.ANSWERS,
            config_loaded_at=config.loaded_at,
            config_refused_at=config.refused_at or None,
            troubles=shown.troubles(health, projects, several=several),
        )

    def _project(self, project: str) -> ProjectHere:
        health = self.guard.health
        silent = Answering.FAILING if health.failing(project) else Answering.UNKNOWN
        return ProjectHere(
            project=project,
            livekit=Answering.ANSWERS if health.answers(project) else silent,
            last_sweep_at=health.swept_at(project) or None,
            last_webhook_at=health.webhook_at(project) or None,
        )
