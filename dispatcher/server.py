"""HTTP: the webhook, the probes, the metrics.

LiveKit takes any answer but 429 and 5xx for "delivered" and never sends that event again. So trouble of our own is 503,
whatever it is; a 4xx is only for what nobody has signed (law 1).
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from msgspec import Struct

from dispatcher.core.events import Event, Ms
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.logs import Log
from dispatcher.metrics import Metrics, event_label
from dispatcher.webhook import BadWebhook, Received, Unreadable

BODY_MAX: Final = 4 << 20  # bytes, after decompression; LiveKit's own limits keep an event under 1 MiB
BODY_WITHIN: Final = 5.0  # seconds from the headers to the body's end
GRACE: Final = 10.0  # seconds that requests under way have to end in when the server stops

NO_EVENT: Final = "unknown"  # the event label of what could not be verified, or not be read
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32  # by its header
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_CONNECTION: Final = {
    "auto_decompress": False,  # aiohttp would go on inflating what is refused; here it ends at BODY_MAX
    "handler_cancellation": False,  # what has begun to be recorded is recorded, though its sender hangs up
    "access_log": None,
    "keepalive_timeout": 120.0,  # LiveKit's sender drops idle connections after 90 s: it, not we, ends them
    "lingering_time": 2.0,  # what a refused request still sends is read for as long, so that it sees the answer
}

Receive: TypeAlias = Callable[[bytes, str | None, Ms], Received | Unreadable]  # raises BadWebhook
Ready: TypeAlias = Callable[[], str | None]  # None, or the reason why not


class Intake(Protocol):
    """The only way in."""

    async def hear(self, project: str, event: Event) -> StrEnum:
        """The event is in the ledger, or needs not be; the value says which. Raises LedgerUnavailable."""
        ...


class Result(StrEnum):
    """What became of a request to /webhook, beyond what `receive` and the intake say."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    BROKEN_BODY = "broken_body"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    UNAVAILABLE = "ledger_unavailable"
    FAILED = "failed"


def build(  # noqa: PLR0913 the dependencies
    *,
    receive: Receive,
    intake: Intake,
    ready: Ready,
    metrics: Metrics,
    log: Log,
    clock: Callable[[], Ms],
    body_within: float = BODY_WITHIN,
) -> web.Application:
    """The application. `clock` is the machine's, as epoch ms: tokens are judged by it."""
    webhooks = _Webhooks(receive=receive, intake=intake, metrics=metrics, log=log, clock=clock, body_within=body_within)
    app = web.Application(middlewares=[_json_errors(metrics, log)], client_max_size=BODY_MAX, handler_args=_CONNECTION)
    app.on_response_prepare.append(_name_server)
    app.router.add_post("/webhook", webhooks.answer)
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", _readiness(ready))
    app.router.add_get("/metrics", _exposition(metrics))
    return app


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, *, grace: float = GRACE
) -> AsyncIterator[tuple[str, int]]:
    """The application answers at the address given (port 0: at a free one); at the end, requests under way end first.

    Raises OSError when the address cannot be had.
    """
    runner = web.AppRunner(app, shutdown_timeout=grace)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0]
        yield str(bound[0]), int(bound[1])
    finally:
        await runner.cleanup()


# The webhook --------------------------------------------------------------------------------------------------------


class _Answer(Struct, frozen=True):
    event: str  # a label
    result: str  # a label, and the answer's text
    status: HTTPStatus = HTTPStatus.OK

    def response(self) -> web.Response:
        said = "result" if self.status is HTTPStatus.OK else "error"
        headers = {"Retry-After": "1"} if self.status is HTTPStatus.SERVICE_UNAVAILABLE else None
        return web.json_response({said: self.result}, status=self.status, headers=headers)


class _Refused(Exception):
    """The body was not taken, so nothing could be verified."""

    def __init__(self, result: Result, status: HTTPStatus) -> None:
        super().__init__(result)
        self.result = result
        self.status = status


_FAILED: Final = _Answer(NO_EVENT, Result.FAILED, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Webhooks:
    receive: Receive
    intake: Intake
    metrics: Metrics
    log: Log
    clock: Callable[[], Ms]
    body_within: float

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
        try:
            body = await _body(request, self.body_within)
            received = self.receive(body, request.headers.get("Authorization"), self.clock())
        except _Refused as refused:
            self.log.warning("webhook_rejected", reason=refused.result)
            return _Answer(NO_EVENT, refused.result, refused.status)
        except BadWebhook as bad:
            self.log.warning("webhook_rejected", reason=bad.reason, hint=str(bad))
            return _Answer(NO_EVENT, bad.reason, HTTPStatus.UNAUTHORIZED)
        used = self.metrics.webhook_key_last_used_timestamp_seconds
        used.labels(received.project, received.key).set(self.clock() / 1000)
        if isinstance(received, Unreadable):
            self.log.error("unreadable", project=received.project, key=received.key, why=received.why, size=len(body))
            return _Answer(NO_EVENT, Result.UNREADABLE)
        return await self._hear(received)

    async def _hear(self, received: Received) -> _Answer:
        event = received.event
        if event.created_at:
            self.metrics.webhook_age_seconds.observe(max(0, self.clock() - event.created_at) / 1000)
        self.metrics.webhook_skew_seconds.observe(received.skew / 1000)
        try:
            heard = await self.intake.hear(received.project, event)
        except LedgerUnavailable as error:
            self.log.error(Result.UNAVAILABLE, project=received.project, event=event.name, id=event.id, error=error)
            return _Answer(event_label(event.name), Result.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE)
        return _Answer(event_label(event.name), heard)


async def _body(request: web.Request, within: float) -> bytes:
    """The body as it was signed: of a compressed one what is in it. Raises _Refused."""
    try:
        async with asyncio.timeout(within):
            sent = await request.read()
    except TimeoutError:
        raise _Refused(Result.TOO_SLOW, HTTPStatus.REQUEST_TIMEOUT) from None
    except web.HTTPRequestEntityTooLarge:
        raise _Refused(Result.TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE) from None
    except (web.RequestPayloadError, ConnectionError):  # bad chunks, or the client has gone
        raise _Refused(Result.BROKEN_BODY, HTTPStatus.BAD_REQUEST) from None
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return sent
    if encoding not in _COMPRESSED:
        raise _Refused(Result.UNSUPPORTED_ENCODING, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return _inflated(sent)


def _inflated(sent: bytes) -> bytes:
    """What a proxy has compressed. Never more than BODY_MAX is inflated, however small the bomb."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        body = inflater.decompress(sent, BODY_MAX + 1)
    except zlib.error:
        raise _Refused(Result.BROKEN_BODY, HTTPStatus.BAD_REQUEST) from None
    if len(body) > BODY_MAX:
        raise _Refused(Result.TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if not inflater.eof:
        raise _Refused(Result.BROKEN_BODY, HTTPStatus.BAD_REQUEST)
    return body


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


def _exposition(metrics: Metrics) -> Handler:
    async def exposition(_request: web.Request) -> web.Response:
        body, content_type = metrics.exposition()
        return web.Response(body=body, headers={"Content-Type": content_type})

    return exposition


def _json_errors(metrics: Metrics, log: Log) -> Middleware:
    @web.middleware
    async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every error is JSON, and no bug of ours is anything but a 503: the one place where all errors are caught."""
        if (nowhere := request.match_info.http_exception) is not None:
            return _not_here(nowhere)
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001
            metrics.loop_errors_total.labels("http").inc()
            log.error("http_failed", path=request.path, error=error)
            return _FAILED.response()

    return json_errors


def _not_here(refusal: web.HTTPException) -> web.Response:
    """404, or 405 with the methods allowed."""
    allowed = {name: value for name, value in refusal.headers.items() if name == "Allow"}
    return web.json_response({"error": HTTPStatus(refusal.status).name.lower()}, status=refusal.status, headers=allowed)


async def _name_server(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "livekit-dispatcher"  # without versions
