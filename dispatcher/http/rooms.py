"""The operator's API: the state of all rooms, and what happened in one. Read only, behind a bearer token."""

import hmac
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec.structs import replace

from dispatcher.core.session import Session, State
from dispatcher.core.workers import WorkersSeen
from dispatcher.explain import Known
from dispatcher.http import resources
from dispatcher.http.live import Live
from dispatcher.http.resources import JSON
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.ledger.sessions import KnownSession
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.targets.breaker import Breaker, named_by
from dispatcher.telemetry.recorder import SessionRecorder

LIMIT: Final = 100
LIMIT_MAX: Final = 1_000


class Api:
    """`/v1/rooms`, `/v1/rooms/{room}`, `/v1/targets` and `/v1/workers`, of the projects that are configured.

    Each answer says whether it is a dry run's: then nobody has been asked for, and its ledger is not the others'.
    """

    def __init__(
        self,
        breaker: Breaker,
        holder: ConfigHolder,
        recorder: SessionRecorder,
        *,
        workers: Callable[[], WorkersSeen] = WorkersSeen,
    ) -> None:
        self.workers = workers  # those seen now
        self.breaker = breaker
        self.ledger = breaker.board.ledger
        self.holder = holder
        self.health = recorder.health
        self.mask = recorder.log.mask
        self.metrics = recorder.metrics
        self.dry_run = recorder.health.dry_run
        self.live = Live(holder, self.mask)

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [
            web.get("/v1/rooms", self._guarded(self._rooms)),
            web.get("/v1/rooms/{room}", self._guarded(self._room)),
            web.get("/v1/workers", self._guarded(self._workers)),
            web.get("/v1/targets", self._guarded(self._targets)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            answer = await self._answered(request, handler)
            self.metrics.api_requests_total.labels(HTTPStatus(answer.status).name.lower()).inc()
            return answer

        return guarded

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        secret = self.holder.snapshot.api_token
        if secret is None:
            return _error(HTTPStatus.NOT_FOUND, "not_found")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        sent = token.strip().encode(errors="surrogateescape")  # as aiohttp keeps bytes that are no UTF-8
        if scheme.lower() != "bearer" or not hmac.compare_digest(sent, secret.get_secret_value().encode()):
            return _error(HTTPStatus.UNAUTHORIZED, "unauthorized", {"WWW-Authenticate": "Bearer"})
        try:
            return await handler(request)
        except LedgerUnavailable:
            again = {"Retry-After": "1"}
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "ledger_unavailable", again, self._troubles())

    async def _rooms(self, request: web.Request) -> web.StreamResponse:
        """Answer with live rooms, newest first: `?state=`, `?project=`, `?limit=`."""
        state, project = request.query.get("state"), request.query.get("project")
        projects = tuple(self.holder.snapshot.projects)
        if state is not None and state not in set(State):
            return _error(HTTPStatus.BAD_REQUEST, f"state: one of {', '.join(State)}")
        if project is not None and project not in projects:
            return _error(HTTPStatus.BAD_REQUEST, f"project: one of {', '.join(projects)}")
        limit = _limit(request.query.get("limit"))
        if limit is None:
            return _error(HTTPStatus.BAD_REQUEST, f"limit: 1 to {LIMIT_MAX}")
        lives = [
            life
            for name in ([project] if project else projects)
            for life in await sessions.live(self.ledger, name, state, limit=limit)
        ]
        newest = sorted(lives, key=lambda life: life.born, reverse=True)[:limit]
        rooms = [resources.summary(life, self._session(life)) for life in newest]
        return web.json_response({"rooms": rooms, "dry_run": self.dry_run})

    async def _room(self, request: web.Request) -> web.StreamResponse:
        """Answer with every known session of the room name, newest first, each with its timeline and narrative."""
        room = request.match_info["room"]
        lives = [
            life for name in self.holder.snapshot.projects for life in await sessions.find(self.ledger, name, room)
        ]
        if not lives:
            return _error(HTTPStatus.NOT_FOUND, "unknown_room", more=self._troubles())
        details = [await self._detail(life) for life in lives]
        concerned = {life.key.project for life in lives}
        return web.json_response(
            {
                **self._troubles(concerned),
                "room": self.mask.numbers(room),
                "sessions": details,
                "dry_run": self.dry_run,
            }
        )

    async def _detail(self, life: KnownSession) -> JSON:
        """The session, with what LiveKit shows of its room now where an agent is missing."""
        look = await self.live.look(life.key) if resources.asks_for_a_look(life.session) else None
        now, workers = await self.ledger.now(), self.workers()
        asked = {one for assignment in life.session.assignments for one in assignment.policy.targets if one.agent}
        targets = sorted(asked | named_by(self.holder.rules_of(life.key.project)), key=str)
        seen = {name: one.last_seen_at for name, one in workers.sightings.items()}
        for agent, at in (await self.breaker.seen(life.key.project, targets, now)).items():
            seen[agent] = max(seen.get(agent, 0), at)
        known = Known(now=now, workers=workers, look=look and self.live.shown(look), agents=seen)
        return resources.detail(life, self._session(life), known)

    def _troubles(self, projects: Collection[str] | None = None) -> JSON:
        """What is wrong with the service itself, where it concerns these projects; None: any."""
        configured = self.holder.snapshot.projects
        found = self.health.troubles([name for name in configured if projects is None or name in projects])
        return {"troubles": resources.troubles(found, self.health.clock(), several=len(configured) > 1)}

    async def _workers(self, _request: web.Request) -> web.StreamResponse:
        """What the configured workers said when they were asked last, and of which agents any is seen."""
        seen = self.workers()
        return web.json_response(
            {
                "asked_at": seen.at or None,
                "agents": [resources.sighting(one) for _, one in sorted(seen.sightings.items())],
                "workers": [resources.worker(address, answer) for address, answer in sorted(seen.answers.items())],
            }
        )

    async def _targets(self, _: web.Request) -> web.StreamResponse:
        """Every target that the rules name outright, as it stands."""
        now = await self.ledger.now()
        known = await self.breaker.known(self.holder.snapshot.projects, now)
        return web.json_response({"targets": [resources.target(one, now) for one in known], "dry_run": self.dry_run})

    def _session(self, life: KnownSession) -> Session:
        """The session as it may be shown: with marks for people, where identities are masked."""
        session = life.session
        return replace(
            session,
            room=self.mask.numbers(session.room),
            assignments=tuple(
                replace(assignment, identity=self.mask.identity(assignment.identity))
                for assignment in session.assignments
            ),
            timeline=tuple(
                replace(entry, assignment=self.mask.assignment(entry.assignment)) for entry in session.timeline
            ),
        )


def _limit(text: str | None) -> int | None:
    """How many rooms are asked for; None: no valid number. A long text is not read as one: that takes long."""
    if text is None:
        return LIMIT
    if not text.isdecimal() or len(text) > len(str(LIMIT_MAX)):
        return None
    return int(text) if 1 <= int(text) <= LIMIT_MAX else None


def _error(
    status: HTTPStatus, error: str, headers: dict[str, str] | None = None, more: JSON | None = None
) -> web.Response:
    return web.json_response({"error": error, **(more or {})}, status=status, headers=headers)
