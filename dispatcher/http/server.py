"""HTTP: which requests are answered where, the probes and the metrics; and what becomes of every error."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from msgspec import Struct

from dispatcher.http.astray import Astray
from dispatcher.http.connection import NAME
from dispatcher.http.problems import ApiError
from dispatcher.http.traced import traced
from dispatcher.http.webhook import FAILED, WebhookEndpoint, begin_counting
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics, begin
from dispatcher.telemetry.tracing import Tracing

EXPOSED_EVERY: Final = 0.25  # seconds between two expositions of the metrics at least

API: Final = "/v1/"  # below it every error is a problem

OPEN_METRICS: Final = "application/openmetrics-text"

Expose: TypeAlias = Callable[[], tuple[bytes, str]]  # the metrics as text, and their content type
Refused: TypeAlias = Callable[[web.Request, web.HTTPException], None]
Ready: TypeAlias = Callable[[], str | None]  # None, or the reason why not


class Applications(Struct, frozen=True):
    """What is served: all by one application, or webhooks alone by one and all the rest by another."""

    webhook: web.Application
    admin: web.Application | None = None


def applications(
    webhooks: WebhookEndpoint,
    *,
    ready: Ready,
    api: Sequence[web.RouteDef] = (),
    port: int | None = None,
    tracing: Tracing | None = None,
) -> Applications:
    """Build them. `port`: the webhooks' own; None: they share theirs with probes, metrics and API."""
    metrics = webhooks.metrics
    begin_counting(metrics)
    app = _bare(webhooks, tracing)
    app.router.add_post("/{before:/*}webhook{after:/*}", webhooks.answer)  # templates and proxies add slashes
    if port is None:
        app.add_routes([*_probes(ready, metrics), *api])
        return Applications(app)
    admin = _bare(webhooks, tracing, port)
    admin.add_routes([*_probes(ready, metrics), *api])
    return Applications(app, admin)


def _bare(webhooks: WebhookEndpoint, tracing: Tracing | None, port: int | None = None) -> web.Application:
    """Without routes: errors are JSON, and webhooks that go astray are told of."""
    astray = Astray(webhooks.metrics, webhooks.log, webhooks.health, port=port)
    return bare_application(webhooks.metrics, webhooks.log, astray.met, [traced(tracing)] if tracing else [])


def bare_application(
    metrics: Metrics, log: Log, refused: Refused, outermost: Sequence[Middleware] = ()
) -> web.Application:
    """An application without routes, whose errors are JSON. `refused` is told of requests that have no route."""
    begin(metrics.loop_errors_total, ["http"])
    app = web.Application(middlewares=[*outermost, _json_errors(metrics, log, refused)])
    app.on_response_prepare.append(_name_server)
    return app


def alive_and_metrics(expose: Expose) -> list[web.RouteDef]:
    """The routes that any process of ours has."""
    return [web.get("/healthz", _alive), web.get("/metrics", _Exposition(expose).answer)]


def _probes(ready: Ready, metrics: Metrics) -> list[web.RouteDef]:
    return [
        web.get("/healthz", _alive),
        web.get("/readyz", _readiness(ready)),
        web.get("/metrics", _expositions(metrics)),
    ]


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"alive": True})


def _readiness(ready: Ready) -> Handler:
    async def readiness(_request: web.Request) -> web.Response:
        reason = ready()
        if reason is None:
            return web.json_response({"ready": True})
        return web.json_response({"ready": False, "reason": reason}, status=HTTPStatus.SERVICE_UNAVAILABLE)

    return readiness


def _expositions(metrics: Metrics) -> Handler:
    """The metrics in the format that the request accepts: OpenMetrics, with exemplars, or Prometheus' text."""
    text = _Exposition(metrics.exposition)
    as_open_metrics = _Exposition(partial(metrics.exposition, as_open_metrics=True))

    async def exposition(request: web.Request) -> web.Response:
        accepted = [one.partition(";")[0].strip().lower() for one in request.headers.get("Accept", "").split(",")]
        return await (as_open_metrics if OPEN_METRICS in accepted else text).answer(request)

    return exposition


class _Exposition:
    """The metrics in one format. Making it takes as long as 30 webhooks, so requests meanwhile share the next one."""

    def __init__(self, expose: Expose) -> None:
        self._expose = expose
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
        return self._expose()


def _json_errors(metrics: Metrics, log: Log, refused: Refused) -> Middleware:
    @web.middleware
    async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer every error as JSON, and every bug of ours with 503: the one place that catches all errors."""
        if (nowhere := request.match_info.http_exception) is not None:
            refused(request, nowhere)
            return _not_here(request, nowhere)
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001
            metrics.loop_errors_total.labels("http").inc()
            log.error("request.failed", path=request.path, error=error)
            return _failed(request)

    return json_errors


def _failed(request: web.Request) -> web.Response:
    if request.path.startswith(API):
        again = {"Retry-After": "1"}
        return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "failed", "a defect of the service's", headers=again).answer
    return FAILED.response()


def _not_here(request: web.Request, refusal: web.HTTPException) -> web.Response:
    """404, or 405 with the methods allowed."""
    allowed = {name: value for name, value in refusal.headers.items() if name == "Allow"}
    if request.path.startswith(API):
        status = HTTPStatus(refusal.status)
        return ApiError(status, status.name.lower(), headers=allowed).answer
    return web.json_response({"error": HTTPStatus(refusal.status).name.lower()}, status=refusal.status, headers=allowed)


async def _name_server(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = NAME
