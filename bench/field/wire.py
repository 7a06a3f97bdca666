"""HTTP/1.1 as bytes, both ways: so that whoever measures costs a tenth of what is measured.

Good for what these benchmarks send and get: bodies with a Content-Length, connections that stay open.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

Answered = Callable[[bytes], None]
Handle = Callable[[bytes, bytes, bytes, Answered], None]  # path, head, body, and what takes the answer

_END: Final = b"\r\n\r\n"


class Reply(NamedTuple):
    """What a request was answered."""

    status: int
    at: float  # on the loop's clock, in seconds


class _Messages(asyncio.Protocol):
    """Cuts what arrives into heads and bodies."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._arrived = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        while (end := self._arrived.find(_END)) >= 0:
            head = bytes(self._arrived[:end])
            whole = end + len(_END) + length(head)
            if len(self._arrived) < whole:
                return
            body = bytes(self._arrived[end + len(_END) : whole])
            del self._arrived[:whole]
            self.message(head, body)

    def message(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError


class Server(_Messages):
    """One connection of a client: each request is handed to `handle`, which answers when it likes."""

    def __init__(self, handle: Handle) -> None:
        super().__init__()
        self._handle = handle

    def message(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        self._handle(path, head.lower(), body, self.transport.write)


class Connection(_Messages):
    """One connection to a server; one request at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: asyncio.Future[Reply] | None = None

    def message(self, head: bytes, body: bytes) -> None:
        del body
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(Reply(int(head.split(b" ", 2)[1]), asyncio.get_running_loop().time()))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_exception(exc or ConnectionResetError())


class Client:
    """As many connections to one address as requests are under way, kept for the next ones."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[Connection] = deque()

    async def post(self, request: bytes) -> Reply:
        """What the request was answered, on a connection that was idle, or a new one. Raises OSError."""
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[-1].transport.is_closing():
            self._idle.pop()
        connection = self._idle.pop() if self._idle else await self._connected()
        connection.waiting = loop.create_future()
        connection.transport.write(request)
        reply = await connection.waiting
        self._idle.append(connection)
        return reply

    async def _connected(self) -> Connection:
        return (await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port))[1]


def length(head: bytes) -> int:
    """How many bytes of body follow this head. Raises AssertionError for what these benchmarks do not speak."""
    lower = head.lower()
    assert b"transfer-encoding" not in lower, head
    at = lower.find(b"\r\ncontent-length:")
    return 0 if at < 0 else int(lower[at + 17 :].split(b"\r\n", 1)[0])


def response(body: bytes, content_type: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer with this body."""
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (status, content_type, len(body)) + body
