"""Reads webhooks' bodies, only of senders with a valid signature: each bounded in bytes and time, their sum in bytes.

A stranger's request never comes here (see `webhook.verify`), so nobody without a key makes us read or inflate anything.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from aiohttp import web

from dispatcher.core.errors import DispatcherError

BODY_MAX: Final = 4 << 20  # bytes, packed and unpacked; LiveKit's own limits keep an event under 1 MiB
BODY_WITHIN: Final = 5.0  # seconds from the headers to the body's end
BODIES_MAX: Final = 32 << 20  # bytes of all bodies whose requests are not answered yet

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32  # by its header
_PACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_PLAIN: Final = "identity"


class NotTaken(StrEnum):
    """Why a body was not taken. Bounded: a metric's label, a log's reason."""

    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    BROKEN = "broken_body"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    BUSY = "busy"


# Who has signed is LiveKit: what may go better next time is 503, so that it tries again; the rest never will.
_STATUS: Final = {
    NotTaken.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotTaken.TOO_SLOW: HTTPStatus.SERVICE_UNAVAILABLE,
    NotTaken.BROKEN: HTTPStatus.BAD_REQUEST,
    NotTaken.UNSUPPORTED_ENCODING: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotTaken.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
}


class BodyRefused(DispatcherError):
    """The body was not read to its end, so it may not be the signed one. `status` asks for it again, or not."""

    def __init__(self, reason: NotTaken) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = _STATUS[reason]


class Bodies:
    """Takes bodies: `most` bytes at once, over all requests; each `within` seconds."""

    def __init__(self, most: int = BODIES_MAX, within: float = BODY_WITHIN) -> None:
        self._free = most
        self._within = within

    @asynccontextmanager
    async def of(self, request: web.Request) -> AsyncIterator[bytes]:
        """Read the body as it was signed, unpacked if a proxy packed it. It keeps its place until the context ends.

        Raises BodyRefused.
        """
        place = _Place(self)
        try:
            yield await self._taken(request, place)
        finally:
            place.hold(0)

    def take(self, size: int) -> None:
        """Count so many bytes more; fewer, where `size` is negative. Raises BodyRefused(BUSY), and counts no more."""
        if size > self._free:
            raise BodyRefused(NotTaken.BUSY)
        self._free -= size

    async def _taken(self, request: web.Request, place: "_Place") -> bytes:
        coding = request.headers.get("Content-Encoding", _PLAIN).lower()
        if coding != _PLAIN and coding not in _PACKED:
            raise BodyRefused(NotTaken.UNSUPPORTED_ENCODING)
        place.hold(request.content_length or 0)
        try:
            async with asyncio.timeout(self._within):
                sent = await _read(request, place)
        except TimeoutError:
            raise BodyRefused(NotTaken.TOO_SLOW) from None
        except (web.RequestPayloadError, ConnectionError):  # bad chunks, or the client has gone
            raise BodyRefused(NotTaken.BROKEN) from None
        if coding == _PLAIN:
            return sent
        body = _inflated(sent)
        place.hold(len(body))
        return body


class _Place:
    """What one request holds."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._size = 0

    def hold(self, size: int) -> None:
        """Count `size` bytes as held. Raises BodyRefused."""
        if size > BODY_MAX:
            raise BodyRefused(NotTaken.TOO_LARGE)
        self._bodies.take(size - self._size)
        self._size = size


async def _read(request: web.Request, place: _Place) -> bytes:
    """Read the bytes as they were sent: as many as `Content-Length` says, or chunk by chunk."""
    sent = bytearray()
    async for part in request.content.iter_any():
        sent += part
        if request.content_length is None:
            place.hold(len(sent))
    return bytes(sent)


def _inflated(sent: bytes) -> bytes:
    """Unpack what a proxy has packed: never more than BODY_MAX, however small the packed body."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        body = inflater.decompress(sent, BODY_MAX + 1)
    except zlib.error:
        raise BodyRefused(NotTaken.BROKEN) from None
    if len(body) > BODY_MAX:
        raise BodyRefused(NotTaken.TOO_LARGE)
    if not inflater.eof:
        raise BodyRefused(NotTaken.BROKEN)
    return body
