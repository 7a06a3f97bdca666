"""Webhooks that go astray: LiveKit's URL has another path, or a redirect has made a GET of its POST.

LiveKit takes the refusal for "delivered" and says nothing, so agents come only with the sweep, and nobody knows why.
"""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from dispatcher.core.text import visible
from dispatcher.http.webhook import NO_EVENT, WebhookResult, sender
from dispatcher.livekit.webhook import claimed_key, key_shown
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics

CONTENT_TYPE: Final = "application/webhook+json"  # LiveKit's own, and nobody else's
PATH: Final = "/webhook"
FIELD_MAX: Final = 128  # characters of what somebody has sent


class Astray:
    """Counts and tells of requests that look like LiveKit's webhooks and are none that the service takes.

    Whether they are LiveKit's is not checked: nothing follows from them. `port`: the webhooks' own, where they have one
    and these requests come to another.
    """

    def __init__(self, metrics: Metrics, log: Log, health: Health, *, port: int | None = None) -> None:
        self._metrics = metrics
        self._log = log
        self._health = health
        self._port = port

    def met(self, request: web.Request, refusal: web.HTTPException) -> None:
        """Take note of a request that has been refused, if it looks like a webhook."""
        key = claimed_key(request.headers.get("Authorization"))
        if key is None and request.content_type != CONTENT_TYPE:
            return
        wrong_method = refusal.status == HTTPStatus.METHOD_NOT_ALLOWED and request.path == PATH
        reason = WebhookResult.WRONG_METHOD if wrong_method else WebhookResult.WRONG_PATH
        self._metrics.webhooks_total.labels(NO_EVENT, reason).inc()
        path = visible(request.path[:FIELD_MAX])
        self._health.webhook_astray(reason, f"{request.method} {path}")
        asked = {"method": request.method, "path": path, "key": key_shown(key or "")}
        self._log.warning("webhook.astray", reason=reason, url=_url(request, self._port), **asked, **sender(request))


def _url(request: web.Request, port: int | None) -> str:
    """Where webhooks belong, by the name that the sender used for this service."""
    scheme = "https" if request.headers.get("X-Forwarded-Proto") == "https" else request.scheme
    host = request.host[:FIELD_MAX]
    if port is not None:
        name, colon, number = host.rpartition(":")
        host = f"{name if colon and number.isdigit() else host}:{port}"
    return visible(f"{scheme}://{host}{PATH}")
