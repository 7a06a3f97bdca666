"""The operator's view: which rooms stand where, and what happened in one. Read only, behind a bearer token."""

import hmac
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec.structs import replace

from dispatcher.core.explain import cause, story
from dispatcher.core.session import Attempt, Session, State, Want
from dispatcher.current import Current
from dispatcher.ledger import sessions
from dispatcher.ledger.interface import Ledger, LedgerUnavailable
from dispatcher.ledger.sessions import KnownSession
from dispatcher.masks import Mask
from dispatcher.metrics import Metrics

LIMIT: Final = 100
LIMIT_MAX: Final = 1_000

JSON = dict[str, object]


class Api:
    """`GET /v1/rooms` and `GET /v1/rooms/{room}` over the ledger, of the projects that are configured.

    Each answer says whether it is a dry run's: then nobody has been asked for, and its ledger is not the others'.
    """

    def __init__(
        self, ledger: Ledger, current: Current, mask: Mask, metrics: Metrics, *, dry_run: bool = False
    ) -> None:
        self.ledger = ledger
        self.current = current
        self.mask = mask
        self.metrics = metrics
        self.dry_run = dry_run

    def routes(self) -> list[web.RouteDef]:
        """What to add to an application."""
        return [
            web.get("/v1/rooms", self._guarded(self._rooms)),
            web.get("/v1/rooms/{room}", self._guarded(self._room)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            answer = await self._answered(request, handler)
            self.metrics.api_requests_total.labels(HTTPStatus(answer.status).name.lower()).inc()
            return answer

        return guarded

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        secret = self.current.now.api_token
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
        """Live rooms, newest first: `?state=`, `?project=`, `?limit=`."""
        state, project = request.query.get("state"), request.query.get("project")
        projects = tuple(self.current.now.sites)
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
        """Every life of the room name that is remembered, newest first, each with its wants, timeline and story."""
        room = request.match_info["room"]
        lives = [life for name in self.current.now.sites for life in await sessions.find(self.ledger, name, room)]
        if not lives:
            return _error(HTTPStatus.NOT_FOUND, "unknown_room")
        details = [_detail(life, self._session(life)) for life in lives]
        return web.json_response({"room": self.mask.numbers(room), "lives": details, "dry_run": self.dry_run})

    def _session(self, life: KnownSession) -> Session:
        """The session as it may be shown: its people by their marks, where identities are masked."""
        session = life.session
        return replace(
            session,
            room=self.mask.numbers(session.room),
            wants=tuple(replace(want, identity=self.mask.identity(want.identity)) for want in session.wants),
            timeline=tuple(replace(entry, want=self.mask.want(entry.want)) for entry in session.timeline),
        )


def _limit(text: str | None) -> int | None:
    """How many rooms are asked for; None: that makes no sense. Nothing long is read as a number, which takes long."""
    if text is None:
        return LIMIT
    if not text.isdecimal() or len(text) > len(str(LIMIT_MAX)):
        return None
    return int(text) if 1 <= int(text) <= LIMIT_MAX else None


def _summary(life: KnownSession, session: Session) -> JSON:
    wants = [{"want": want.key, "state": want.state, "agent": want.next_target.agent} for want in session.wants]
    return {
        "project": life.key.project,
        "room": session.room,
        "sid": life.key.sid,
        "over": session.over,
        "wants": wants,
    }


def _detail(life: KnownSession, session: Session) -> JSON:
    timeline = [
        {"at": entry.at, "said": entry.said, "want": entry.want, "number": entry.number, "agent": entry.agent}
        | {name: value for name in ("verdict", "part", "reason") if (value := getattr(entry, name))}
        | ({"ms": entry.took} if entry.took is not None else {})
        for entry in session.timeline
    ]
    wants = [_want(want) for want in session.wants]
    told = {"story": list(story(session)), "cause": cause(session)}
    return {**_summary(life, session), "wants": wants, "due_at": life.due_at, "timeline": timeline, **told}


def _want(want: Want) -> JSON:
    attempts = [_attempt(attempt) for attempt in want.attempts]
    return {"want": want.key, "state": want.state, "due": want.due or None, "rounds": want.rounds, "attempts": attempts}


def _attempt(attempt: Attempt) -> JSON:
    return {
        "number": attempt.number,
        "agent": attempt.target.agent,
        "deployment": attempt.target.deployment,
        "dispatch": attempt.dispatch,
        "ours": attempt.ours,
        "since": attempt.since,
        "verdict": attempt.verdict or "open",
    }


def _error(status: HTTPStatus, error: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": error}, status=status, headers=headers)
