"""Posts a message to its receiver: one request, bounded in time, that follows no redirect.

Whether an address may be connected to is decided as the connection is made, of the address itself: a name that leads
elsewhere the second time gains nothing.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from msgspec import Struct

from dispatcher.config import Receiver
from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import Ms
from dispatcher.notices.bodies import Request

LIMIT_S: Final = 10.0  # for a whole request
AT_ONCE: Final = 16  # connections
AFTER_MAX_S: Final = 3_600  # a receiver that says when to come again is believed so far

_NAT64: Final = IPv6Network("64:ff9b::/96")
_Address: TypeAlias = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


class NotDelivered(StrEnum):
    """Why a message was not taken."""

    PRIVATE = "private_address"
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"  # its certificate
    TIMEOUT = "timeout"
    BROKEN = "broken"  # the connection ended before there was an answer, or it is none
    REDIRECTED = "redirected"
    REFUSED = "refused"  # 4xx
    FAILED = "failed"  # 5xx, or what is no answer to a POST


class Receipt(Struct, frozen=True):
    """What became of one try. `why` None: the receiver has taken it."""

    why: NotDelivered | None = None
    status: int = 0  # 0: there was no answer
    after: Ms = 0  # the receiver wants the next try no sooner

    def __str__(self) -> str:
        return f"{self.why or 'taken'} ({self.status})" if self.status else str(self.why)


class PrivateAddress(DispatcherError, OSError):
    """The address is not on the public internet."""


class Post:
    """Posts to receivers. It never raises."""

    def __init__(self, public: ClientSession, anywhere: ClientSession) -> None:
        self._public = public
        self._anywhere = anywhere

    async def __call__(self, receiver: Receiver, request: Request) -> Receipt:
        """Post it once. An answer counts by its status alone: what else it says is not read."""
        session = self._anywhere if receiver.allow_private else self._public
        url = receiver.url.get_secret_value()
        try:
            answer = await session.post(url, data=request.body, headers=request.headers, allow_redirects=False)
            answer.close()
        except TimeoutError:
            return Receipt(NotDelivered.TIMEOUT)
        except (ClientError, OSError, ValueError) as error:
            return Receipt(_why(error))
        return _read(answer)


def _read(answer: ClientResponse) -> Receipt:
    status = answer.status
    if 200 <= status < 300:
        return Receipt(status=status)
    said = answer.headers.get("Retry-After", "")
    after = min(int(said), AFTER_MAX_S) * 1000 if said.isdecimal() and len(said) < 9 else 0
    why = {3: NotDelivered.REDIRECTED, 4: NotDelivered.REFUSED}.get(status // 100, NotDelivered.FAILED)
    return Receipt(why, status, after)


def _why(error: Exception) -> NotDelivered:
    match error:
        case ClientConnectorCertificateError():
            return NotDelivered.UNTRUSTED
        case ClientConnectorDNSError():
            return NotDelivered.UNRESOLVED
        case ClientConnectorSSLError():  # somebody answers, and not with TLS
            return NotDelivered.BROKEN
        case ClientConnectorError():
            return NotDelivered.PRIVATE if isinstance(error.os_error, PrivateAddress) else NotDelivered.UNREACHABLE
        case _:
            return NotDelivered.BROKEN


def is_public(address: str) -> bool:
    """Whether the address, or the one that it stands for, is on the public internet."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = _inner(ip)
        return (inner is None or _is_public(inner)) and (_is_public(ip) or inner is not None)
    return _is_public(ip)


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that it leads to."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    return ip.is_global and not ip.is_multicast


def _public_socket(found: _Address) -> socket.socket:
    """A socket for the address about to be connected to. Raises PrivateAddress."""
    family, kind, protocol, _, address = found
    if not is_public(str(address[0])):
        raise PrivateAddress("not on the public internet")
    return socket.socket(family, kind, protocol)


@asynccontextmanager
async def posting(limit_s: float = LIMIT_S) -> AsyncIterator[Post]:
    """A door to receivers, with connections of its own."""
    public = TCPConnector(limit=AT_ONCE, force_close=True, socket_factory=_public_socket)
    anywhere = TCPConnector(limit=AT_ONCE, force_close=True)
    timeout = ClientTimeout(total=limit_s)
    async with (
        ClientSession(connector=public, cookie_jar=DummyCookieJar(), timeout=timeout) as one,
        ClientSession(connector=anywhere, cookie_jar=DummyCookieJar(), timeout=timeout) as other,
    ):
        yield Post(one, other)
