"""The agents over HTTP: how each stands; an operator pauses one, and resumes it."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web
from msgspec import Struct

from dispatcher.client import ListedAgent, ListedAgents
from dispatcher.core.facts import Ms
from dispatcher.core.pauses import Paused, TooManyPaused
from dispatcher.core.probes import ProbeFacts
from dispatcher.core.rules import Rule, Target, named_by
from dispatcher.core.splits import Side
from dispatcher.core.targets import TargetFacts
from dispatcher.core.workers import WorkersSeen
from dispatcher.http import routes, shown
from dispatcher.http.asked import AgentNamed, PauseRequest, ResumeRequest, lasting, paused_agent, project_of
from dispatcher.http.guard import Guard
from dispatcher.http.problems import ApiError
from dispatcher.http.route import ApiCall, Nothing
from dispatcher.runtime.snapshot import ProjectRuntime
from dispatcher.targets.breaker import Breaker
from dispatcher.targets.pauses import PauseBoard
from dispatcher.targets.probes import ProbeBoard

Standings: TypeAlias = Mapping[str, Mapping[str, int]]  # by agent and state: how many assignments of live rooms


class _Seen(Struct, frozen=True):
    """What all projects' agents are shown by."""

    now: Ms
    standings: Mapping[str, Standings]  # by project
    workers: WorkersSeen


class _Known(Struct, frozen=True):
    """What is known of a target."""

    facts: TargetFacts
    probes: ProbeFacts | None


class AgentsApi:
    """`/v1/agents`, of the projects that are configured, and the pauses of each."""

    def __init__(
        self,
        guard: Guard,
        breaker: Breaker,
        pauses: PauseBoard,
        probes: ProbeBoard,
        workers: Callable[[], WorkersSeen],
        *,
        dry_run: bool,
    ) -> None:
        self.guard = guard
        self.breaker = breaker
        self.board = breaker.board
        self.ledger = breaker.board.ledger
        self.pauses = pauses
        self.probes = probes
        self.workers = workers
        self.dry_run = dry_run

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [
            routes.AGENTS.served(self.guard, self._agents),
            routes.PAUSE.served(self.guard, self._pause),
            routes.RESUME.served(self.guard, self._resume),
        ]

    async def _agents(self, call: ApiCall[Nothing, None]) -> ListedAgents:
        """Every agent that rules name, that a live room has to do with, that is paused, or that a worker is seen of."""
        configured = self.guard.holder.snapshot.projects
        projects = {name: configured[name] for name in call.caller.sees(configured)}
        seen = await self._seen()
        rows = [row for name, runtime in projects.items() for row in await self._of_project(name, runtime, seen)]
        told = {row.agent for row in rows}
        home = next(iter(configured)) if len(configured) == 1 else None  # else nobody knows whose workers they are
        rows += [self._row(home, agent, {}, seen) for agent in sorted(seen.workers.sightings) if agent not in told]
        return ListedAgents(tuple(rows), seen.now, self.dry_run)

    async def _pause(self, call: ApiCall[AgentNamed, PauseRequest]) -> ListedAgent:
        """Nobody is given the agent: for a while, or until it is resumed. Its rooms go on to their next target."""
        agent, asked, caller = paused_agent(call.asked), call.body, call.caller
        caller.need_agents({agent})
        project, _ = project_of(asked.project, caller, self.guard.holder.snapshot.projects)
        try:
            await self.pauses.pause(project, agent, by=caller.name, lasts=lasting(asked), reason=asked.reason)
        except TooManyPaused as refused:
            raise ApiError(HTTPStatus.CONFLICT, "too_many_paused", str(refused)) from None
        return await self._stands(project, agent)

    async def _resume(self, call: ApiCall[AgentNamed, ResumeRequest]) -> ListedAgent:
        """No order pauses the agent, and no split has stopped it; a pause of the configuration's is not over."""
        agent, caller = paused_agent(call.asked), call.caller
        caller.need_agents({agent})
        project, _ = project_of(call.body.project, caller, self.guard.holder.snapshot.projects)
        await self.pauses.resume(project, agent, by=caller.name)
        await self.breaker.resume(project, agent, by=caller.name)
        return await self._stands(project, agent)

    async def _stands(self, project: str, agent: str) -> ListedAgent:
        seen = await self._seen()
        rows = await self._of_project(project, self.guard.holder.snapshot.projects[project], seen)
        known = next((row for row in rows if row.agent == agent), None)
        return known or self._row(project, agent, {}, seen)

    async def _seen(self) -> _Seen:
        standings: defaultdict[str, defaultdict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        for (project, one), number in sorted((await self.ledger.standings()).items()):
            standings[project][one.agent][one.state] = number
        return _Seen(await self.ledger.now(), standings, self.workers())

    async def _of_project(self, project: str, runtime: ProjectRuntime, seen: _Seen) -> list[ListedAgent]:
        paused = await self.pauses.paused(project, seen.now)
        probes = await self.probes.facts(project)
        named = {*named_by(runtime.rules), *probes}
        others = {*paused, *seen.standings.get(project, {})} - {target.name for target in named} - {""}
        targets = sorted({*named, *map(Target, others)}, key=str)
        rows: dict[str, dict[str, _Known]] = {}
        for target, facts in zip(targets, await self.board.facts(project, targets, seen.now), strict=True):
            rows.setdefault(target.name, {})[target.deployment] = _Known(facts, probes.get(target))
        return [self._row(project, agent, known, seen, paused.get(agent)) for agent, known in sorted(rows.items())]

    def _row(
        self,
        project: str | None,
        agent: str,
        known: Mapping[str, _Known],
        seen: _Seen,
        paused: Paused | None = None,
    ) -> ListedAgent:
        """`known` is what is known of the agent, by deployment."""
        sighting = seen.workers.of(agent)
        return ListedAgent(
            project=project,
            agent=agent,
            rules=tuple(rule.name for rule in self.guard.holder.rules_of(project or "") if _names(rule, agent)),
            targets=tuple(
                shown.target(deployment, one.facts, self._stops(project, agent, deployment), one.probes, seen.now)
                for deployment, one in known.items()
            ),
            last_hour=shown.hour([one.facts for one in known.values()], seen.now),
            assignments=seen.standings.get(project or "", {}).get(agent, {}),
            workers=len(sighting.workers) if sighting else None,
            paused=shown.paused(paused, seen.now) if paused else None,
        )

    def _stops(self, project: str | None, agent: str, deployment: str) -> list[tuple[str, Side]]:
        return self.breaker.stops(project or "", Target(agent, deployment))


def _names(rule: Rule, agent: str) -> bool:
    return any(target.name == agent for target in rule.policy.targets)
