"""`POST /webhook`, for whoever lets LiveKit tell the launcher, too: an event means that its room is looked at now."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from dispatcher.core.facts import Ms
from dispatcher.http.bodies import Bodies, BodyRefused
from dispatcher.launcher.presence import RoomWatch
from dispatcher.livekit.webhook import ApiKey, BadWebhook, Received, receive, verify
from dispatcher.telemetry.logs import Log


class NewsEndpoint:
    """Takes webhooks. Nothing is lost with one that does not come: rooms are looked at anyway, only later."""

    def __init__(self, rooms: RoomWatch, keys: Mapping[str, ApiKey], log: Log, clock: Callable[[], Ms]) -> None:
        self._rooms = rooms
        self._keys = keys
        self._log = log
        self._clock = clock
        self._bodies = Bodies()

    def routes(self) -> list[web.RouteDef]:
        """The route to add to an application."""
        return [web.post("/webhook", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            signed = verify(request.headers.get("Authorization"), self._keys, self._clock())
            async with self._bodies.of(request) as body:
                received = receive(body, signed)
        except BadWebhook as bad:
            self._log.warning("webhook.rejected", reason=bad.reason, hint=str(bad), sender=request.remote or "")
            return web.json_response({"error": bad.reason}, status=HTTPStatus.UNAUTHORIZED)
        except BodyRefused as refused:
            return web.json_response({"error": refused.reason}, status=refused.status)
        if isinstance(received, Received) and received.event.room:
            self._rooms.tell(received.project, received.event.room.name)
        return web.json_response({"result": "told"})
