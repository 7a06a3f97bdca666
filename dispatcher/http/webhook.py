"""The webhook. LiveKit takes any answer but 429 and 5xx for "delivered" and never sends that event again.

So trouble of our own is 503, whatever it is; a 4xx is only for what nobody has signed (law 1).
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol, TypeAlias

from aiohttp import web
from msgspec import Struct

from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.core.text import visible
from dispatcher.engine.intake import IntakeResult
from dispatcher.http.bodies import Bodies, BodyRefused, NotTaken
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.livekit.webhook import BadWebhook, Received, Rejected, Signed, Undecodable, receive
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import EVENTS, OTHER, Metrics, begin, event_label

NO_EVENT: Final = "unknown"  # the event label of what could not be verified, or not be read
FORWARDED_MAX: Final = 64  # characters of what a proxy says, or somebody who pretends to be one

Verify: TypeAlias = Callable[[str | None, Ms], Signed]  # the Authorization header, now; raises BadWebhook


class WebhookIntake(Protocol):
    """The only way in."""

    async def accept(self, project: str, event: Event) -> StrEnum:
        """Record the event, unless it says nothing we use; the value says which. Raises LedgerUnavailable."""
        ...


class WebhookResult(StrEnum):
    """Results of a request that neither the verification, the bodies nor the intake have."""

    UNDECODABLE = "undecodable"
    UNAVAILABLE = "ledger_unavailable"
    FAILED = "failed"
    WRONG_PATH = "wrong_path"  # a webhook that did not come to /webhook
    WRONG_METHOD = "wrong_method"  # a webhook that a redirect has made a GET


class WebhookAnswer(Struct, frozen=True):
    event: str  # a label
    result: str  # a label, and the answer's text
    status: HTTPStatus = HTTPStatus.OK

    def response(self) -> web.Response:
        said = "result" if self.status is HTTPStatus.OK else "error"
        headers = {"Retry-After": "1"} if self.status is HTTPStatus.SERVICE_UNAVAILABLE else None
        return web.json_response({said: self.result}, status=self.status, headers=headers)


FAILED: Final = WebhookAnswer(NO_EVENT, WebhookResult.FAILED, HTTPStatus.SERVICE_UNAVAILABLE)


def begin_counting(metrics: Metrics) -> None:
    """Show every result that a webhook may have, at 0: an alarm sees the first of each."""
    begin(metrics.webhooks_total, [*EVENTS, OTHER], [*IntakeResult, WebhookResult.UNAVAILABLE])
    unread = [one for one in WebhookResult if one is not WebhookResult.UNAVAILABLE]
    begin(metrics.webhooks_total, [NO_EVENT], [*Rejected, *NotTaken, *unread])


def sender(request: web.BaseRequest) -> dict[str, str]:
    """Where a request comes from, for the log: the other end of the connection, and whom that one names, if anybody."""
    named = request.headers.get("X-Forwarded-For", "")
    forwarded = {"forwarded_for": visible(named[:FORWARDED_MAX])} if named else {}
    return {"sender": request.remote or "", **forwarded}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """Takes webhooks. `clock` is the machine's, in epoch ms: tokens are checked against it."""

    verify: Verify
    intake: WebhookIntake
    metrics: Metrics
    log: Log
    health: Health
    clock: Callable[[], Ms]
    bodies: Bodies = field(default_factory=Bodies)

    async def answer(self, request: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time
        begun = now()
        answer = FAILED
        try:
            answer = await self._answer(request)
        finally:
            self.metrics.webhooks_total.labels(answer.event, answer.result).inc()
            self.metrics.webhook_seconds.observe(now() - begun)
        return answer.response()

    async def _answer(self, request: web.Request) -> WebhookAnswer:
        """Check the signature before reading the body; then the body's hash; then read what the body says."""
        async with AsyncExitStack() as stack:
            try:
                signed = self.verify(request.headers.get("Authorization"), self.clock())
                body = await stack.enter_async_context(self.bodies.of(request))
                received = receive(body, signed)
            except BadWebhook as bad:
                self.health.webhook_rejected(bad.reason)
                fields = {"key": bad.key, **sender(request)}
                self.log.warning("webhook.rejected", reason=bad.reason, hint=str(bad), **fields)
                return WebhookAnswer(NO_EVENT, bad.reason, HTTPStatus.UNAUTHORIZED)
            except BodyRefused as refused:
                self.health.webhook_rejected(refused.reason)
                self.log.warning("webhook.rejected", reason=refused.reason, **sender(request))
                return WebhookAnswer(NO_EVENT, refused.reason, refused.status)
            return await self._take(received, len(body))

    async def _take(self, received: Received | Undecodable, size: int) -> WebhookAnswer:
        self.health.webhook_verified(received.project)
        self.metrics.key_used(received.project, received.key, self.clock() / 1000)
        if isinstance(received, Undecodable):
            self.log.error(
                "webhook.undecodable", project=received.project, key=received.key, why=received.why, size=size
            )
            return WebhookAnswer(NO_EVENT, WebhookResult.UNDECODABLE)
        return await self._accept(received)

    async def _accept(self, received: Received) -> WebhookAnswer:
        event = received.event
        if event.created_at:  # which a test webhook has not
            self.metrics.webhook_came(received.project, self.clock() / 1000)
            self.metrics.webhook_age_seconds.observe(max(0, self.clock() - event.created_at) / 1000)
        self.metrics.webhook_skew_seconds.observe(received.skew / 1000)
        try:
            result = await self.intake.accept(received.project, event)
        except LedgerUnavailable:  # whoever watches the ledger tells of it
            return WebhookAnswer(event_label(event.name), WebhookResult.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE)
        return WebhookAnswer(event_label(event.name), result)
