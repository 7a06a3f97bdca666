"""The agents over HTTP: how each stands; an operator pauses one, and resumes it."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web
from msgspec import Struct

from dispatcher.core.facts import Ms
from dispatcher.core.pauses import Paused, TooManyPaused
from dispatcher.core.rules import Rule, Target
from dispatcher.core.workers import WorkersSeen
from dispatcher.http import resources
from dispatcher.http.asked import lasting, pause_request, paused_agent, project_of, resume_request
from dispatcher.http.guard import Caller, Guard
from dispatcher.http.problems import ApiError
from dispatcher.http.resources import JSON
from dispatcher.runtime.snapshot import ProjectRuntime
from dispatcher.targets.breaker import Breaker, named_by
from dispatcher.targets.pauses import PauseBoard

Standings: TypeAlias = Mapping[str, Mapping[str, int]]  # by agent and state: how many assignments of live rooms


class _Seen(Struct, frozen=True):
    """What all projects' agents are shown by."""

    now: Ms
    standings: Mapping[str, Standings]  # by project
    workers: WorkersSeen


class AgentsApi:
    """`/v1/agents`, of the projects that are configured, and the pauses of each."""

    def __init__(
        self,
        guard: Guard,
        breaker: Breaker,
        pauses: PauseBoard,
        workers: Callable[[], WorkersSeen],
        *,
        dry_run: bool,
    ) -> None:
        self.guard = guard
        self.board = breaker.board
        self.ledger = breaker.board.ledger
        self.pauses = pauses
        self.workers = workers
        self.dry_run = dry_run

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        guarded, one = self.guard.guarded, "/v1/agents/{agent}"
        return [
            web.get("/v1/agents", guarded("read", self._agents)),
            web.post(f"{one}/pause", guarded("dispatch", self._pause)),
            web.post(f"{one}/resume", guarded("dispatch", self._resume)),
        ]

    async def _agents(self, _request: web.Request, caller: Caller) -> web.StreamResponse:
        """Every agent that rules name, that a live room has to do with, that is paused, or that a worker is seen of."""
        configured = self.guard.holder.snapshot.projects
        projects = {name: configured[name] for name in caller.sees(configured)}
        seen = await self._seen()
        rows = [row for name, runtime in projects.items() for row in await self._of_project(name, runtime, seen)]
        told = {row["agent"] for row in rows}
        home = next(iter(configured)) if len(configured) == 1 else None  # else nobody knows whose workers they are
        rows += [self._row(home, agent, [], seen) for agent in sorted(seen.workers.sightings) if agent not in told]
        return web.json_response({"agents": rows, "now": seen.now, "dry_run": self.dry_run})

    async def _pause(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Nobody is given the agent: for a while, or until it is resumed. Its rooms go on to their next target."""
        agent = paused_agent(request)
        caller.need_agents({agent})
        asked = await pause_request(request)
        project, _ = project_of(asked.project, caller, self.guard.holder.snapshot.projects)
        try:
            await self.pauses.pause(project, agent, by=caller.name, lasts=lasting(asked), reason=asked.reason)
        except TooManyPaused as refused:
            raise ApiError(HTTPStatus.CONFLICT, "too_many_paused", str(refused)) from None
        return await self._stands(project, agent)

    async def _resume(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """The pause that somebody ordered is over; one of the configuration's is not."""
        agent = paused_agent(request)
        caller.need_agents({agent})
        project, _ = project_of((await resume_request(request)).project, caller, self.guard.holder.snapshot.projects)
        await self.pauses.resume(project, agent, by=caller.name)
        return await self._stands(project, agent)

    async def _stands(self, project: str, agent: str) -> web.Response:
        seen = await self._seen()
        rows = await self._of_project(project, self.guard.holder.snapshot.projects[project], seen)
        known = next((row for row in rows if row["agent"] == agent), None)
        return web.json_response(known or self._row(project, agent, [], seen))

    async def _seen(self) -> _Seen:
        standings: defaultdict[str, defaultdict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        for (project, one), number in sorted((await self.ledger.standings()).items()):
            standings[project][one.agent][one.state] = number
        return _Seen(await self.ledger.now(), standings, self.workers())

    async def _of_project(self, project: str, runtime: ProjectRuntime, seen: _Seen) -> list[JSON]:
        paused = await self.pauses.paused(project, seen.now)
        named = named_by(runtime.rules)
        others = {*paused, *seen.standings.get(project, {})} - {target.agent for target in named} - {""}
        targets = sorted({*named, *map(Target, others)}, key=str)
        rows: dict[str, list[JSON]] = {}
        for target, facts in zip(targets, await self.board.facts(project, targets, seen.now), strict=True):
            rows.setdefault(target.agent, []).append(resources.target(target.deployment, facts, seen.now))
        return [self._row(project, agent, shown, seen, paused.get(agent)) for agent, shown in sorted(rows.items())]

    def _row(
        self, project: str | None, agent: str, targets: list[JSON], seen: _Seen, paused: Paused | None = None
    ) -> JSON:
        sighting = seen.workers.of(agent)
        return {
            "project": project,
            "agent": agent,
            "rules": [rule.name for rule in self.guard.holder.rules_of(project or "") if _names(rule, agent)],
            "targets": targets,
            "assignments": seen.standings.get(project or "", {}).get(agent, {}),
            "workers": len(sighting.workers) if sighting else None,
            "paused": resources.paused(paused, seen.now) if paused else None,
        }


def _names(rule: Rule, agent: str) -> bool:
    return any(target.agent == agent for target in rule.policy.targets)
