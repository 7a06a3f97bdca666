"""How many may connect: when all places are taken, the connection that has been idle longest is closed.

Anybody can connect, so no number of strangers may keep LiveKit out, or this process from its Redis.
"""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from aiohttp import web
from msgspec.structs import replace

from dispatcher.http.connection import HEAD_MAX, Connection, ConnectionEnd, ConnectionLimits
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics, begin

BACKLOG: Final = 1_024  # connections that the kernel keeps until they are accepted
ACCEPTS: Final = 32  # in one turn of the loop; and connections that are being closed for others
ANY_IPV6: Final = "::"
GRACE: Final = 10.0  # seconds that requests under way have to end in when the server stops
AGAIN_S: Final = 1.0  # until the next accept after one that failed
SPEAK_S: Final = 0.1  # nobody is closed for others before: a request comes some time after its connection

_USUAL: Final = ConnectionLimits()


def limits_here() -> ConnectionLimits:
    """The limits where this process runs: half of the files it may have open are for connections, if so many.

    It may have open as many as it can get: the soft limit is the hard one from now on. The other half is for Redis,
    LiveKit and what is open beside.
    """
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    places = _USUAL.connections if files == resource.RLIM_INFINITY else min(_USUAL.connections, files // 2)
    return replace(_USUAL, connections=places)


@asynccontextmanager
async def listening(  # noqa: PLR0913 the address and the dependencies
    app: web.Application,
    host: str,
    port: int,
    *,
    metrics: Metrics,
    log: Log,
    limits: ConnectionLimits = _USUAL,
    grace: float = GRACE,
) -> AsyncIterator[tuple[str, int]]:
    """Serve the application at the address given (port 0: at a free one); at the end, requests under way end first.

    Raises OSError when the address cannot be had.
    """
    runner = web.AppRunner(app, shutdown_timeout=grace)
    await runner.setup()
    try:
        listeners = await _listeners(host, port)
        connections = Connections(cast("web.Server", runner.server), limits, metrics, log)
        connections.accept_at(listeners)
        try:
            bound = listeners[0].getsockname()
            yield str(bound[0]), int(bound[1])
        finally:
            await connections.accept_no_more()
    finally:
        await runner.cleanup()


async def _listeners(host: str, port: int) -> list[socket.socket]:
    """Open a socket for each address of the host, all at one port; that of `::` takes IPv4 as well."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    both = host == ANY_IPV6 and socket.has_dualstack_ipv6()
    opened: list[socket.socket] = []
    try:
        for family, _, _, _, (where, _, *rest) in dict.fromkeys(found):
            at = opened[0].getsockname()[1] if opened else port
            address = (where, at, *rest)
            opened.append(socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both))
            opened[-1].settimeout(0)
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


class Connections:
    """All open connections: `limits.connections` at most, and up to ACCEPTS that are being closed."""

    def __init__(self, server: web.Server, limits: ConnectionLimits, metrics: Metrics, log: Log) -> None:
        self.server = server
        self.limits = limits
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._log = log
        self._listeners: list[socket.socket] = []
        self._pausing = True  # nobody is accepted
        self._accepting: set[asyncio.Task[Any]] = set()
        self._open = 0
        self._idle: dict[Connection, float] = {}  # owed no answer, since when; the longest so first
        self._ending: set[Connection] = set()  # cut off, and not closed yet
        self._answer, server.request_handler = server.request_handler, self._watched
        begin(metrics.http_connections_ended_total, ConnectionEnd)

    def accept_at(self, listeners: list[socket.socket]) -> None:
        """Serve those who connect there from now on."""
        self._listeners = listeners
        self._resume()

    async def accept_no_more(self) -> None:
        """Accept no more connections; go on serving those that are open."""
        self._pause()
        listeners, self._listeners = self._listeners, []
        for one in listeners:
            one.close()
        await asyncio.gather(*self._accepting)

    def end(self, connection: Connection, why: ConnectionEnd) -> None:
        """Cut the connection off."""
        self._metrics.http_connections_ended_total.labels(why).inc()
        if why is ConnectionEnd.LARGE_HEADERS:  # may be LiveKit's: nothing else would tell that its webhooks are lost
            self._log.warning("headers.too_large", limit=HEAD_MAX, sender=connection.sender)
        self._idle.pop(connection, None)
        self._ending.add(connection)
        connection.cut()

    def not_http(self, why: str) -> None:
        """The connection sends what is no HTTP; the answer to that ends it."""
        self._metrics.http_connections_ended_total.labels(ConnectionEnd.NOT_HTTP).inc()
        self._log.warning("request.malformed", why=why)

    def busy(self, connection: Connection) -> None:
        """The connection has asked for something."""
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """The connection has been answered, or has not asked yet."""
        self._idle[connection] = self._loop.time()
        if len(self._ending) < ACCEPTS:
            self._resume()

    def lost(self, connection: Connection) -> None:
        """The connection is closed: its place is free."""
        self._idle.pop(connection, None)
        self._ending.discard(connection)
        self._open -= 1
        self._metrics.http_connections.dec()
        self._resume()

    async def _watched(self, request: web.BaseRequest) -> web.StreamResponse:
        """Give the application's answer. All connections of this server are ours."""
        connection = cast("Connection", request.protocol)
        connection.asked()
        try:
            return await self._answer(request)
        finally:
            connection.answered(request.content)

    def _resume(self) -> None:
        if not self._pausing:
            return
        self._pausing = False
        for one in self._listeners:
            self._loop.add_reader(one, self._accept, one)

    def _pause(self) -> None:
        self._pausing = True
        for one in self._listeners:
            self._loop.remove_reader(one)

    def _accept(self, listener: socket.socket) -> None:
        """Accept those who wait; when all places are taken, close the longest idle connection for each of them."""
        for number in range(ACCEPTS):
            if self._is_full() and ((wait := self._until_room()) is None or wait > 0):
                self._pause()
                if wait is not None:
                    self._loop.call_later(wait, self._resume)
                return
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, ConnectionError):  # nobody waits, or no longer
                return
            except OSError as error:  # there is no file or memory left for it
                if number:  # nor need anybody be waiting: Linux says so before it looks
                    return
                self._log.warning("connection.unaccepted", why=error.strerror)
                self._make_room()
                self._pause()
                self._loop.call_later(AGAIN_S, self._resume)
                return
            if self._is_full():
                self._log.warning("connections.crowded", limit=self.limits.connections)
                self._make_room()
            self._connect(accepted)

    def _is_full(self) -> bool:
        return self._open - len(self._ending) >= self.limits.connections

    def _until_room(self) -> float | None:
        """In how many seconds a connection will have been idle for SPEAK_S and may be closed; None: nobody knows."""
        since = next(iter(self._idle.values()), None)
        if since is None or len(self._ending) >= ACCEPTS:
            return None
        return max(0.0, since + SPEAK_S - self._loop.time())

    def _make_room(self) -> None:
        """Close the longest idle connection, if one is idle."""
        if self._idle:
            self.end(next(iter(self._idle)), ConnectionEnd.CROWDED)

    def _connect(self, accepted: socket.socket) -> None:
        accepted.settimeout(0)
        self._open += 1
        self._metrics.http_connections.inc()
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: Connection(self), accepted))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)
