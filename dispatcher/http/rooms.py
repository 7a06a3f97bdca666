"""The operator's API: the state of all rooms, and what happened in one. Read only, behind a bearer token."""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from dispatcher.core.session import State
from dispatcher.core.workers import WorkersSeen
from dispatcher.http import resources
from dispatcher.http.inquiry import Inquiry
from dispatcher.http.resources import JSON
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.targets.breaker import Breaker
from dispatcher.telemetry.metrics import begin
from dispatcher.telemetry.recorder import SessionRecorder

LIMIT: Final = 100
LIMIT_MAX: Final = 1_000

_STATUSES: Final = (
    HTTPStatus.OK,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


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
        self.metrics = recorder.metrics
        self.inquiry = Inquiry(breaker, holder, recorder, workers)
        self.dry_run = recorder.health.dry_run
        begin(self.metrics.api_requests_total, (status.name.lower() for status in _STATUSES))

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
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "ledger_unavailable", again, self.inquiry.troubles())

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
        rooms = [resources.summary(life, self.inquiry.shown(life)) for life in newest]
        return web.json_response({"rooms": rooms, "dry_run": self.dry_run})

    async def _room(self, request: web.Request) -> web.StreamResponse:
        """Answer with every known session of the room name, newest first; of an unknown one, with what can be said."""
        told = await self.inquiry.room(request.match_info["room"], rules=request.query.get("rules") == "1")
        return web.json_response(told, status=HTTPStatus.NOT_FOUND if "error" in told else HTTPStatus.OK)

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
