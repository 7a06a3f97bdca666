"""Who may ask what of the API: tokens with a name and scopes, compared in constant time; whoever guesses is slowed."""

import asyncio
import hmac
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from dispatcher.config import ApiToken, Scope
from dispatcher.http import shown
from dispatcher.http.problems import ApiError
from dispatcher.http.proxied import signed_in
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.runtime.snapshot import ConfigHolder
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.metrics import Metrics, begin

GUESSES: Final = 10  # wrong tokens within GUESSED_S, after which each further one is answered after SLOWED_S
GUESSED_S: Final = 60.0
SLOWED_S: Final = 1.0
SLOWED_MAX: Final = 64  # who wait for that; further ones are answered 429 at once

_STATUSES: Final = (
    HTTPStatus.OK,
    HTTPStatus.ACCEPTED,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


class Caller(Struct, frozen=True):
    """Who asks: what their token allows."""

    token: ApiToken

    @property
    def name(self) -> str:
        return self.token.name

    def need(self, scope: Scope) -> None:
        """Raises ApiError unless they may do what needs this scope."""
        if self.token.scopes.isdisjoint({scope, "admin"}):
            raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", f"the token {self.name} has no scope `{scope}`")

    def sees(self, projects: Collection[str]) -> tuple[str, ...]:
        """Those of the projects that they may know of."""
        return tuple(name for name in projects if self.token.projects is None or name in self.token.projects)

    def need_agents(self, agents: Collection[str]) -> None:
        """Raises ApiError unless they may ask for all of these agents."""
        others = sorted(set(agents) - self.token.agents) if self.token.agents is not None else []
        if others:
            raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", f"the token {self.name} is not for agent {others[0]}")


Guarded: TypeAlias = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


class Guard:
    """Lets requests through whose token is one of the configuration in force, and counts what becomes of each."""

    def __init__(self, holder: ConfigHolder, metrics: Metrics, health: Health) -> None:
        self.holder = holder
        self.metrics = metrics
        self.health = health
        begin(metrics.api_requests_total, (status.name.lower() for status in _STATUSES))
        self._guesses = deque[float](maxlen=GUESSES)  # when, monotonic
        self._slowed = 0

    def guarded(self, scope: Scope | None, handler: Guarded) -> Handler:
        """The handler, for those whose token has the scope; None: for every token. Every error is a problem."""

        async def answered(request: web.Request) -> web.StreamResponse:
            answer = await self._answer(request, scope, handler)
            self.metrics.api_requests_total.labels(HTTPStatus(answer.status).name.lower()).inc()
            return answer

        return answered

    async def _answer(self, request: web.Request, scope: Scope | None, handler: Guarded) -> web.StreamResponse:
        try:
            caller = await self._caller(request)
            if scope is not None:
                caller.need(scope)
            return await handler(request, caller)
        except ApiError as problem:
            return problem.answer
        except LedgerUnavailable:
            return self._without_ledger().answer

    def _without_ledger(self) -> ApiError:
        projects = self.holder.snapshot.projects
        told = {"troubles": shown.troubles(self.health, projects, several=len(projects) > 1)}
        again = {"Retry-After": "1"}
        return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "ledger_unavailable", headers=again, more=told)

    async def _caller(self, request: web.Request) -> Caller:
        tokens, ui = self.holder.snapshot.config.callers, self.holder.snapshot.config.ui
        if proxied := signed_in(request, ui):
            return Caller(proxied)
        if not tokens and not ui.trust_header:
            raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "the API is off: no token is configured")
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        given = sent.strip().encode(errors="surrogateescape")  # as aiohttp keeps bytes that are no UTF-8
        found = [one for one in tokens if hmac.compare_digest(given, one.token.get_secret_value().encode())]
        if scheme.lower() == "bearer" and found:
            return Caller(found[0])
        if given:
            await self._slow_down()
        raise ApiError(
            HTTPStatus.UNAUTHORIZED, "unauthorized", "no valid bearer token", headers={"WWW-Authenticate": "Bearer"}
        )

    async def _slow_down(self) -> None:
        """Hold up whoever sends wrong tokens while many come; those with a right one never wait."""
        now = time.monotonic()
        many = len(self._guesses) == GUESSES and self._guesses[0] > now - GUESSED_S
        self._guesses.append(now)
        if not many:
            return
        if self._slowed >= SLOWED_MAX:
            wait = {"Retry-After": str(int(GUESSED_S))}
            raise ApiError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_guesses", "too many wrong tokens", headers=wait)
        self._slowed += 1
        try:
            await asyncio.sleep(SLOWED_S)
        finally:
            self._slowed -= 1
