"""HTTP: the webhook, the probes, the metrics.

LiveKit takes any answer but 429 and 5xx for "delivered" and never sends that event again. So trouble of our own is 503,
whatever it is; a 4xx is only for what nobody has signed (law 1).
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from msgspec import Struct

from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.http.bodies import Bodies, BodyRefused
from dispatcher.http.connection import NAME
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.livekit.webhook import BadWebhook, Received, Signed, Undecodable, receive
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics, event_label

EXPOSED_EVERY: Final = 0.25  # seconds between two expositions of the metrics at least
NO_EVENT: Final = "unknown"  # the event label of what could not be verified, or not be read

Verify: TypeAlias = Callable[[str | None, Ms], Signed]  # the Authorization header, now; raises BadWebhook
Ready: TypeAlias = Callable[[], str | None]  # None, or the reason why not


class WebhookIntake(Protocol):
    """The only way in."""

    async def accept(self, project: str, event: Event) -> StrEnum:
        """Record the event, unless it says nothing we use; the value says which. Raises LedgerUnavailable."""
        ...


class WebhookResult(StrEnum):
    """Results of a request to /webhook that neither the verification, the bodies nor the intake have."""

    UNDECODABLE = "undecodable"
    UNAVAILABLE = "ledger_unavailable"
    FAILED = "failed"


def build(  # noqa: PLR0913 the dependencies
    *,
    verify: Verify,
    intake: WebhookIntake,
    ready: Ready,
    metrics: Metrics,
    log: Log,
    health: Health,
    clock: Callable[[], Ms],
    bodies: Bodies | None = None,
) -> web.Application:
    """Build the application. `clock` is the machine's, in epoch ms: tokens are checked against it."""
    webhooks = _Webhooks(
        verify=verify,
        bodies=bodies or Bodies(),
        intake=intake,
        metrics=metrics,
        log=log,
        health=health,
        clock=clock,
    )
    app = web.Application(middlewares=[_json_errors(metrics, log)])
    app.on_response_prepare.append(_name_server)
    app.router.add_post("/webhook", webhooks.answer)
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", _readiness(ready))
    app.router.add_get("/metrics", _Exposition(metrics).answer)
    return app


# The webhook --------------------------------------------------------------------------------------------------------


class _Answer(Struct, frozen=True):
    event: str  # a label
    result: str  # a label, and the answer's text
    status: HTTPStatus = HTTPStatus.OK

    def response(self) -> web.Response:
        said = "result" if self.status is HTTPStatus.OK else "error"
        headers = {"Retry-After": "1"} if self.status is HTTPStatus.SERVICE_UNAVAILABLE else None
        return web.json_response({said: self.result}, status=self.status, headers=headers)


_FAILED: Final = _Answer(NO_EVENT, WebhookResult.FAILED, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Webhooks:
    verify: Verify
    bodies: Bodies
    intake: WebhookIntake
    metrics: Metrics
    log: Log
    health: Health
    clock: Callable[[], Ms]

    async def answer(self, request: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time
        begun = now()
        answer = _FAILED
        try:
            answer = await self._answer(request)
        finally:
            self.metrics.webhooks_total.labels(answer.event, answer.result).inc()
            self.metrics.webhook_seconds.observe(now() - begun)
        return answer.response()

    async def _answer(self, request: web.Request) -> _Answer:
        """Check the signature before reading the body; then the body's hash; then read what the body says."""
        async with AsyncExitStack() as stack:
            try:
                signed = self.verify(request.headers.get("Authorization"), self.clock())
                body = await stack.enter_async_context(self.bodies.of(request))
                received = receive(body, signed)
            except BadWebhook as bad:
                self.health.webhook_rejected(bad.reason)
                self.log.warning("webhook.rejected", reason=bad.reason, hint=str(bad))
                return _Answer(NO_EVENT, bad.reason, HTTPStatus.UNAUTHORIZED)
            except BodyRefused as refused:
                self.health.webhook_rejected(refused.reason)
                self.log.warning("webhook.rejected", reason=refused.reason)
                return _Answer(NO_EVENT, refused.reason, refused.status)
            return await self._take(received, len(body))

    async def _take(self, received: Received | Undecodable, size: int) -> _Answer:
        self.health.webhook_verified(received.project)
        self.metrics.key_used(received.project, received.key, self.clock() / 1000)
        if isinstance(received, Undecodable):
            self.log.error(
                "webhook.undecodable", project=received.project, key=received.key, why=received.why, size=size
            )
            return _Answer(NO_EVENT, WebhookResult.UNDECODABLE)
        return await self._accept(received)

    async def _accept(self, received: Received) -> _Answer:
        event = received.event
        if event.created_at:  # which a test webhook has not
            self.metrics.webhook_came(received.project, self.clock() / 1000)
            self.metrics.webhook_age_seconds.observe(max(0, self.clock() - event.created_at) / 1000)
        self.metrics.webhook_skew_seconds.observe(received.skew / 1000)
        try:
            result = await self.intake.accept(received.project, event)
        except LedgerUnavailable as error:
            self.log.error("ledger.failed", project=received.project, event=event.name, id=event.id, error=error)
            return _Answer(event_label(event.name), WebhookResult.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE)
        return _Answer(event_label(event.name), result)


# The rest -----------------------------------------------------------------------------------------------------------


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"alive": True})


def _readiness(ready: Ready) -> Handler:
    async def readiness(_request: web.Request) -> web.Response:
        reason = ready()
        if reason is None:
            return web.json_response({"ready": True})
        return web.json_response({"ready": False, "reason": reason}, status=HTTPStatus.SERVICE_UNAVAILABLE)

    return readiness


class _Exposition:
    """The metrics as text. Making it takes as long as 30 webhooks, so requests meanwhile share the next one."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._making: asyncio.Task[tuple[bytes, str]] | None = None
        self._not_before = 0.0  # by the loop's clock

    async def answer(self, _request: web.Request) -> web.Response:
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._made())
        body, content_type = await asyncio.shield(self._making)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _made(self) -> tuple[bytes, str]:
        now = asyncio.get_running_loop().time
        await asyncio.sleep(self._not_before - now())
        self._not_before = now() + EXPOSED_EVERY
        return self._metrics.exposition()


def _json_errors(metrics: Metrics, log: Log) -> Middleware:
    @web.middleware
    async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer every error as JSON, and every bug of ours with 503: the one place that catches all errors."""
        if (nowhere := request.match_info.http_exception) is not None:
            return _not_here(nowhere)
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001
            metrics.loop_errors_total.labels("http").inc()
            log.error("request.failed", path=request.path, error=error)
            return _FAILED.response()

    return json_errors


def _not_here(refusal: web.HTTPException) -> web.Response:
    """404, or 405 with the methods allowed."""
    allowed = {name: value for name, value in refusal.headers.items() if name == "Allow"}
    return web.json_response({"error": HTTPStatus(refusal.status).name.lower()}, status=refusal.status, headers=allowed)


async def _name_server(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = NAME
