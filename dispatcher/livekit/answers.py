"""Reads answers over HTTP with a bound: stands between LiveKit, or a proxy before it, and livekit-api.

By itself livekit-api takes any 200 for a reply, reads and inflates it to whatever length, follows redirects and drops
headers. The session made here stops all that beneath it; lists are read here, message by message as they arrive.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache, partial
from typing import Final, NewType, TypeVar

from aiohttp import (
    BaseConnector,
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    DummyCookieJar,
    encode_basic_auth,
)
from aiohttp.hdrs import PROXY_AUTHORIZATION
from google.protobuf.message import DecodeError, Message
from yarl import URL

from dispatcher.core.errors import DispatcherError
from dispatcher.livekit.proxies import proxy_for

TwirpSession = NewType("TwirpSession", ClientSession)
M = TypeVar("M", bound=Message)

PROTOBUF: Final = "application/protobuf"
REPLY_MAX: Final = 4 << 20  # bytes that `read` takes: a dispatch with a hundred jobs, its room's metadata in each
ROOM_MAX: Final = 32 << 20  # bytes of one listed message, and of what is listed of one room: thousands of people
COST: Final = 512  # bytes that one listed message counts for beside its own: what an object of ours takes
AT_ONCE: Final = 50  # messages between two awaits: some 1 ms
LEFT_ALONE_S: Final = 60.0  # nobody is left alone for longer on the word of one answer

_LISTED: Final = 1 << 3 | 2  # the key of field 1, length-delimited: where each of LiveKit's lists has its messages
_VARINT_BITS: Final = 70  # in ten bytes


class NoReply(DispatcherError):
    """An answer that is no reply to a call: not 200, or 200 and not protobuf. Nothing of its body has been read."""

    def __init__(self, status: int, *, retry_after: float | None, leads_to: str) -> None:
        super().__init__(f"{status}")
        self.status = status
        self.retry_after = retry_after  # seconds, as asked, LEFT_ALONE_S at most; None: not asked
        self.leads_to = leads_to  # the origin that a redirect names; "": none


class TooLong(DispatcherError):
    """A body is longer than such answers ever are. What was read of it is forgotten, and its connection closed."""


class Bounded(ClientResponse):
    """An answer whose `read` takes REPLY_MAX bytes, once inflated, and raises TooLong when there is more."""

    async def read(self) -> bytes:
        body = bytearray()
        async for piece in self.content.iter_any():  # inflated as it is asked for, a piece at a time
            body += piece
            if len(body) > REPLY_MAX:
                raise TooLong
        return bytes(body)


@asynccontextmanager
async def twirp_session(connector: BaseConnector | None = None) -> AsyncIterator[TwirpSession]:
    """A session for calls to LiveKit: anything but a reply raises NoReply; no redirects, no cookies."""
    middlewares = partial(_proxied, cache(proxy_for)), _replies
    async with ClientSession(
        connector=connector, response_class=Bounded, middlewares=middlewares, cookie_jar=DummyCookieJar()
    ) as session:
        yield TwirpSession(session)


def post(
    session: TwirpSession, address: str, asked: Message, token: str
) -> AbstractAsyncContextManager[ClientResponse]:
    """The answer to this message, once it is entered; it is not read yet. Raises NoReply."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": PROTOBUF}
    return session.post(address, data=asked.SerializeToString(), headers=headers)


async def each(answer: ClientResponse, of: type[M], at_most: int) -> AsyncIterator[M]:
    """Yield the messages of a list, each as soon as it is whole; after AT_ONCE of them other tasks have their turn.

    Raises TooLong beyond `at_most` bytes, a message counting for COST more than it has; DecodeError when it is none, or
    ends too soon.
    """
    arriving = Arriving(at_most)
    taken = 0
    async for piece in answer.content.iter_any():
        for one in arriving.feed(piece):
            yield of.FromString(one)
            taken += 1
            if taken % AT_ONCE == 0:
                await asyncio.sleep(0)
    arriving.end()


class Arriving:
    """A list as its bytes arrive. It keeps those of one message, and counts them all."""

    def __init__(self, at_most: int) -> None:
        self._left = bytearray()
        self._may_come = at_most

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The listed messages that are whole now; fields that lists did not have when this was written are passed over.

        Raises TooLong, also when a length announces it, and DecodeError.
        """
        self._left += piece
        self._spend(len(piece))
        at = 0
        with suppress(IndexError):  # the rest has not arrived yet
            while True:
                key, start, end = self._field(at)
                if key == _LISTED:
                    self._spend(COST)
                    yield bytes(self._left[start:end])
                at = end
        del self._left[:at]

    def end(self) -> None:
        """The list is whole. Raises DecodeError when it has been cut short."""
        if self._left:
            raise DecodeError

    def _spend(self, size: int) -> None:
        self._may_come -= size
        if self._may_come < 0:
            raise TooLong

    def _field(self, at: int) -> tuple[int, int, int]:
        """The key of the field that begins there, and where its value begins and ends. IndexError: not whole yet."""
        key, start = self._varint(at)
        match key & 7:  # the wire type
            case 0:
                size = self._varint(start)[1] - start
            case 1:
                size = 8
            case 2:
                size, start = self._varint(start)
            case 5:
                size = 4
            case _:
                raise DecodeError
        if not 0 < key >> 3 < 1 << 29:
            raise DecodeError
        if size > ROOM_MAX:
            raise TooLong
        if start + size > len(self._left):
            raise IndexError
        return key, start, start + size

    def _varint(self, at: int) -> tuple[int, int]:
        """The number that is written there, and where it ends. IndexError: not whole yet."""
        value = shift = 0
        while (byte := self._left[at]) >= 0x80:
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if shift >= _VARINT_BITS:
                raise DecodeError
        return value | byte << shift, at + 1


async def _proxied(
    proxy_of: Callable[[URL], URL | None], request: ClientRequest, handler: ClientHandlerType
) -> ClientResponse:
    """Send the request by the proxy that the environment names for it, if it does."""
    if (proxy := proxy_of(request.url)) is not None:
        login = encode_basic_auth(proxy.user or "", proxy.password or "") if proxy.user or proxy.password else ""
        if login and request.url.scheme == "http":  # then the proxy reads the request itself
            request.headers[PROXY_AUTHORIZATION] = login
        request.update_proxy(proxy.with_user(None), None, {PROXY_AUTHORIZATION: login} if login else None)
    return await handler(request)


async def _replies(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    answer = await send(request)
    if answer.status == 200 and answer.content_type == PROTOBUF:
        return answer
    answer.release()  # a connection that has nothing more to say is kept; another one is closed
    retry_after = _seconds(answer.headers.get("Retry-After", "")) if answer.status == 429 else None
    raise NoReply(answer.status, retry_after=retry_after, leads_to=origin(answer.headers.get("Location", "")))


def origin(location: str) -> str:
    """Scheme, host and port of an address, and nothing else of it: a path may hold anything. "": it has none."""
    try:
        return str(URL(location).origin())
    except ValueError:
        return ""


def _seconds(text: str) -> float | None:
    """Of a span, the form that rate limits have; a date says nothing here."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(LEFT_ALONE_S, seconds) if math.isfinite(seconds) and seconds > 0 else None
