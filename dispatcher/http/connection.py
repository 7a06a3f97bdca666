"""One connection, of LiveKit or of a stranger: its limits of time and size.

`aiohttp` reads and answers. Its protocol is subclassed here, at asyncio's own callbacks and at `handle_error`, because
it bounds neither the time for a request's headers nor that for the reading of an answer. Nothing private is used.
"""

import asyncio
from enum import StrEnum
from typing import Any, Final, Protocol, cast

from aiohttp import web
from aiohttp.streams import StreamReader
from msgspec import Struct

NAME: Final = "livekit-dispatcher"  # what answers says no more of itself: no versions
HEAD_MAX: Final = (
    32 << 10
)  # bytes of a request's line and headers; those of LiveKit are under 1 KiB, a proxy adds to them

_HEAD_END: Final = b"\r\n\r\n"
_SETTINGS: Final[dict[str, Any]] = {
    "auto_decompress": False,  # aiohttp would inflate before anybody has judged who sends
    "access_log": None,
    "max_line_size": HEAD_MAX,  # aiohttp's own limits are 8 KiB for each line: we bound them all together
    "max_field_size": HEAD_MAX,
    "keepalive_timeout": 120.0,  # LiveKit's sender drops idle connections after 90 s: it, not we, ends them
    "lingering_time": 2.0,  # what a refused request still sends is read for as long, so that it sees the answer
    "read_bufsize": 64 << 10,  # bytes of a body that wait to be read; twice as many at most
}


class ConnectionLimits(Struct, frozen=True, kw_only=True):
    """How many connections there may be, and how long each may take. Spans in seconds."""

    connections: int = 500  # LiveKit has one for each room with an event under way, for milliseconds
    head_within: float = 10.0  # from the first byte of a request to the end of its headers
    read_within: float = 30.0  # until an answer is read, where it is more than the socket holds


class ConnectionEnd(StrEnum):
    """Why we end a connection. Bounded: a metric's label."""

    CROWDED = "crowded"
    SLOW_HEADERS = "slow_headers"
    LARGE_HEADERS = "large_headers"
    SLOW_READER = "slow_reader"
    NOT_HTTP = "not_http"


class Keeper(Protocol):
    """Keeps all connections of a server; each connection reports its state to it."""

    server: web.Server
    limits: ConnectionLimits

    def idle(self, connection: "Connection") -> None:
        """The connection has been answered, or has not asked yet."""
        ...

    def busy(self, connection: "Connection") -> None:
        """The connection has asked for something."""
        ...

    def lost(self, connection: "Connection") -> None:
        """The connection is closed."""
        ...

    def end(self, connection: "Connection", why: ConnectionEnd) -> None:
        """Cut the connection off."""
        ...

    def not_http(self, why: str) -> None:
        """The connection sends what is no HTTP; the answer to that ends it."""
        ...


class Connection(web.RequestHandler):
    """A connection. It is idle until a request's headers are complete, and again once that request is answered."""

    __slots__ = ("_head", "_head_tail", "_in_head", "_keeper", "_lost", "_timer", "_wire")

    def __init__(self, keeper: Keeper) -> None:
        super().__init__(keeper.server, loop=asyncio.get_running_loop(), **_SETTINGS)
        self._keeper = keeper
        self._wire: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._lost = False
        self._in_head = True  # what comes belongs to a request's line and headers
        self._head = 0  # bytes of them so far
        self._head_tail = b""

    @property
    def sender(self) -> str:
        """The address at the other end."""
        peer = self._wire.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        self._keeper.idle(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._lost = True
        self._stop_timer()
        self._keeper.lost(self)

    def data_received(self, data: bytes) -> None:
        if data and self.writing_paused:  # asks on without reading its answers
            self._keeper.end(self, ConnectionEnd.SLOW_READER)
        elif data and self._in_head and not self._fits(data):
            self._keeper.end(self, ConnectionEnd.LARGE_HEADERS)
        else:  # aiohttp itself calls with none, to go on with what it has kept
            super().data_received(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_timer(self._keeper.limits.read_within, ConnectionEnd.SLOW_READER)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_timer()

    def asked(self) -> None:
        """A request is being answered."""
        self._in_head = False
        self._stop_timer()
        self._keeper.busy(self)

    def answered(self, body: StreamReader) -> None:
        """The answer is made; when the rest of the request's body has been skipped, the next request may come."""
        if not self._lost:  # whoever asked may have gone meanwhile
            self._keeper.idle(self)
            body.on_eof(self._next)

    def cut(self) -> None:
        """Stop reading and writing."""
        self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 there is none yet
        status: int = 400,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 quotes what was sent
    ) -> web.StreamResponse:
        """Answer that a request is no HTTP. aiohttp would log an error for each, and name its version."""
        self._keeper.not_http(type(exc).__name__)
        response = web.json_response({"error": "not_http"}, status=status, headers={"Server": NAME})
        response.force_close()
        return response

    def _fits(self, data: bytes) -> bool:
        """The head goes on or ends here, and is not too large."""
        if self._timer is None:
            self._start_timer(self._keeper.limits.head_within, ConnectionEnd.SLOW_HEADERS)
        part = data if self._head else data.lstrip(b"\r\n")  # which may stand before a request
        seen = self._head_tail + part
        end = seen.find(_HEAD_END)
        if end >= 0:
            self._in_head = False
            self._keeper.busy(self)
            self._head += end + len(_HEAD_END) - len(self._head_tail)
        else:
            self._head += len(part)
        self._head_tail = seen[1 - len(_HEAD_END) :]
        return self._head <= HEAD_MAX

    def _next(self) -> None:
        self._in_head, self._head, self._head_tail = True, 0, b""

    def _start_timer(self, seconds: float, why: ConnectionEnd) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._keeper.end, self, why)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
