"""The fake LiveKit, put together: rooms, workers and faults, the server that answers, the webhooks it sends."""

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Final, Self, TypeVar

from aiohttp import web
from livekit.protocol.agent_dispatch import CreateAgentDispatchRequest

from dispatcher.testing.changes import Changes
from dispatcher.testing.faults import Faults
from dispatcher.testing.release import SEEN, ServerRelease, Version
from dispatcher.testing.rooms import Rooms
from dispatcher.testing.server import LOOPBACK, Server
from dispatcher.testing.services import AgentDispatchService, RoomService
from dispatcher.testing.signalling import Signalling
from dispatcher.testing.timers import Timers, Timings
from dispatcher.testing.twirp import ReceivedCall, Twirp
from dispatcher.testing.webhooks import Sent, Webhooks
from dispatcher.testing.workers import Workers
from dispatcher.testing.world import World

T = TypeVar("T")

DEV_KEYS: Final[Mapping[str, str]] = {"devkey": "devsecret-devsecret-devsecret-devsecret"}


class FakeLiveKit:
    """LiveKit without media, at `listen`: `async with FakeLiveKit(webhook_url=…) as livekit`, then `livekit.url`.

    `rooms` says who comes and goes, `workers` what becomes of dispatches, `faults` what goes wrong. It answers the API,
    sends webhooks and runs workers as livekit-server 1.13.5 was seen to, or as another `version` would: (1, 9) to
    (1, 13, 11). The first of `keys` signs the webhooks; `webhook_url` may be set later; `auto_create` is LiveKit's own
    option and default. Its clock is `timings.clock_ahead` seconds ahead of ours.
    """

    def __init__(
        self,
        webhook_url: str | None = None,
        *,
        keys: Mapping[str, str] = DEV_KEYS,
        auto_create: bool = True,
        version: Version = SEEN,
        timings: Timings | None = None,
        listen: tuple[str, int] = (LOOPBACK, 0),
    ) -> None:
        spans, release = timings or Timings(), ServerRelease(version)
        self.api_key, self.api_secret = next(iter(keys.items()))
        self._changes = Changes()
        self._timers = Timers(spans)
        self._sender = Webhooks(keys, self._timers, spans, release, self._changes.announce)
        self._sender.url = webhook_url
        self.workers = Workers(self._timers, release)
        self._world = World(self._timers, spans, release, self.workers, self._changes, self._sender.tell)
        self.rooms = Rooms(self._world)
        dispatches = AgentDispatchService(
            self._world, self._timers, release, auto_create=auto_create, absent_room=spans.absent_room
        )
        methods = RoomService(self._world).methods() | dispatches.methods()
        self._api = Twirp(keys, methods, self._timers, self._changes.announce)
        self._signal = Signalling(keys, self._world, self._timers, spans)
        self._server = Server(self._app, *listen)
        self.faults = Faults(self._api.faults, self._sender.faults)

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop()
        try:
            await self._timers.aclose()
        finally:
            await self._sender.aclose()

    def _app(self) -> web.Application:
        app = self._api.app()
        app.router.add_get("/rtc", self._signal.answer)
        return app

    @property
    def url(self) -> str:
        """The address for LIVEKIT_URL; known once it has started."""
        return self._server.url

    @property
    def webhook_url(self) -> str | None:
        """Where webhooks go; None: none are sent."""
        return self._sender.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        self._sender.url = url

    @property
    def webhook_key(self) -> str:
        """The name of the key that signs webhooks."""
        return self._sender.key

    @webhook_key.setter
    def webhook_key(self, key: str) -> None:
        self._sender.key = key

    def answer_more(self, routes: Iterable[web.RouteDef]) -> None:
        """From its start on it answers these requests, too, which LiveKit does not know."""
        self._api.more.extend(routes)

    async def stop_api(self) -> None:
        """The API refuses connections. The world goes on, and so do its webhooks."""
        await self._server.stop()

    async def start_api(self) -> None:
        """The API answers again, at the same address."""
        await self._server.start()

    @property
    def calls(self) -> list[ReceivedCall]:
        """Every call of the API that arrived with a good token, whatever became of it."""
        return self._api.calls

    @property
    def create_calls(self) -> list[CreateAgentDispatchRequest]:
        """What every CreateDispatch that arrived asked for, whatever became of it."""
        return [call.asked for call in self.calls if isinstance(call.asked, CreateAgentDispatchRequest)]

    @property
    def webhooks_sent(self) -> list[Sent]:
        """Every webhook that LiveKit is done with, in the order it was done."""
        return self._sender.sent

    async def wait_until(self, claim: Callable[[], T], *, within: float = 5.0) -> T:
        """The first true answer of `claim`, asked now and after every change in rooms, calls or webhooks.

        NeverSeen, with what was found instead, after `within` real seconds.
        """
        return await self._changes.wait_until(claim, within=within, found=self.describe)

    def describe(self) -> str:
        """Rooms, calls and webhooks so far, in a few lines."""
        calls = ", ".join(f"{call.method} {call.status or 'unanswered'}" for call in self.calls) or "none"
        sent = (
            ", ".join(f"{one.event} {one.outcome} {one.status or ''}".rstrip() for one in self.webhooks_sent) or "none"
        )
        return f"{self._world.describe()}\ncalls: {calls}\nwebhooks: {sent}"
