"""The operator's API: the state of all rooms, and what happened in one. Read only, behind a bearer token."""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec.structs import replace

from dispatcher.core.facts import Ms
from dispatcher.core.session import Assignment, Attempt, Session, State
from dispatcher.core.targets import usual
from dispatcher.core.workers import Missing, Registered, Sighting, WorkersSeen
from dispatcher.explain import diagnosis, narrative
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.ledger.sessions import KnownSession
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.targets.breaker import Breaker, KnownTarget
from dispatcher.telemetry.masks import Mask
from dispatcher.telemetry.metrics import Metrics

LIMIT: Final = 100
LIMIT_MAX: Final = 1_000

JSON = dict[str, object]


class Api:
    """`/v1/rooms`, `/v1/rooms/{room}`, `/v1/targets` and `/v1/workers`, of the projects that are configured.

    Each answer says whether it is a dry run's: then nobody has been asked for, and its ledger is not the others'.
    """

    def __init__(
        self,
        breaker: Breaker,
        holder: ConfigHolder,
        mask: Mask,
        metrics: Metrics,
        *,
        workers: Callable[[], WorkersSeen] = WorkersSeen,
        dry_run: bool = False,
    ) -> None:
        self.workers = workers  # those seen now
        self.breaker = breaker
        self.ledger = breaker.board.ledger
        self.holder = holder
        self.mask = mask
        self.metrics = metrics
        self.dry_run = dry_run

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
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "ledger_unavailable", {"Retry-After": "1"})

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
        rooms = [_summary(life, self._session(life)) for life in newest]
        return web.json_response({"rooms": rooms, "dry_run": self.dry_run})

    async def _room(self, request: web.Request) -> web.StreamResponse:
        """Answer with every known session of the room name, newest first, each with its timeline and narrative."""
        room = request.match_info["room"]
        lives = [
            life for name in self.holder.snapshot.projects for life in await sessions.find(self.ledger, name, room)
        ]
        if not lives:
            return _error(HTTPStatus.NOT_FOUND, "unknown_room")
        seen = self.workers()
        details = [_detail(life, self._session(life), seen) for life in lives]
        return web.json_response({"room": self.mask.numbers(room), "sessions": details, "dry_run": self.dry_run})

    async def _workers(self, _request: web.Request) -> web.StreamResponse:
        """What the configured workers said when they were asked last, and of which agents any is seen."""
        seen = self.workers()
        return web.json_response(
            {
                "asked_at": seen.at or None,
                "agents": [_sighting(one) for _, one in sorted(seen.sightings.items())],
                "workers": [_worker(address, answer) for address, answer in sorted(seen.answers.items())],
            }
        )

    async def _targets(self, _: web.Request) -> web.StreamResponse:
        """Every target that the rules name outright, as it stands."""
        now = await self.ledger.now()
        known = await self.breaker.known(self.holder.snapshot.projects, now)
        return web.json_response({"targets": [_target(one, now) for one in known], "dry_run": self.dry_run})

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


def _target(known: KnownTarget, now: Ms) -> JSON:
    facts = known.facts
    return {
        "project": known.project,
        "agent": known.target.agent,
        "deployment": known.target.deployment,
        "circuit": known.circuit,
        "open_since": facts.opened_at or None,
        "last_seen_at": facts.seen_at or None,
        "usual_ms": usual(facts, now) or None,
        "silent": len(facts.silences),
    }


def _summary(life: KnownSession, session: Session) -> JSON:
    assignments = [
        {"assignment": assignment.key, "state": assignment.state, "agent": assignment.next_target.agent}
        for assignment in session.assignments
    ]
    return {
        "project": life.key.project,
        "room": session.room,
        "sid": life.key.sid,
        "finished": session.finished,
        "assignments": assignments,
    }


def _detail(life: KnownSession, session: Session, seen: WorkersSeen) -> JSON:
    timeline = [
        {
            "at": entry.at,
            "event": entry.said,
            "assignment": entry.assignment,
            "number": entry.number,
            "agent": entry.agent,
        }
        | {name: value for name in ("verdict", "part", "reason") if (value := getattr(entry, name))}
        | ({"duration_ms": entry.took} if entry.took is not None else {})
        | (entry.patience.fields if entry.patience else {})
        for entry in session.timeline
    ]
    assignments = [_assignment(assignment) for assignment in session.assignments]
    told = {"narrative": list(narrative(session)), "diagnosis": diagnosis(session, seen)}
    return {**_summary(life, session), "assignments": assignments, "due_at": life.due_at, "timeline": timeline, **told}


def _sighting(one: Sighting) -> JSON:
    return {"agent": one.agent, "workers": len(one.workers), "since": one.since, "last_seen_at": one.last_seen_at}


def _worker(address: str, answer: Registered | Missing) -> JSON:
    if isinstance(answer, Missing):
        return {"address": address, "missing": answer}
    return {
        "address": address,
        "agent": answer.agent,
        "type": answer.type,
        "active_jobs": answer.jobs,
        "load": answer.load,
        "sdk_version": answer.sdk,
        "ready": answer.ready,
    }


def _assignment(assignment: Assignment) -> JSON:
    attempts = [_attempt(attempt) for attempt in assignment.attempts]
    return {
        "assignment": assignment.key,
        "state": assignment.state,
        "next_attempt_at": assignment.due_at or None,
        "rounds": assignment.rounds,
        "attempts": attempts,
    }


def _attempt(attempt: Attempt) -> JSON:
    return {
        "number": attempt.number,
        "agent": attempt.target.agent,
        "deployment": attempt.target.deployment,
        "dispatch": attempt.dispatch,
        "ours": attempt.ours,
        "started_at": attempt.started_at,
        "verdict": attempt.verdict or "open",
    }


def _error(status: HTTPStatus, error: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": error}, status=status, headers=headers)
