"""Asks launchers for processes (docs/launcher.md): the freest first, and where one has no place the next.

Who asks twice with one token has asked once. So where no answer comes the same launcher is asked again, and never
another one: the process may run.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from http import HTTPStatus
from typing import Final
from urllib.parse import quote
from zlib import crc32

import msgspec
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)
from msgspec import Struct

from dispatcher.core.text import ID_MAX, brief

WITHIN_S: Final = 4.5  # for all that one launch takes: the session's lease is longer
ANSWER_S: Final = 1.5  # for one answer: a launcher's comes within milliseconds
CONNECT_S: Final = 1.0
READY_S: Final = 0.5  # for all launchers together to say how many places they have
ANSWER_MAX: Final = 16 * 1024  # bytes

_NOBODY: Final = -1  # places of one that does not say
_ELSEWHERE: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_SPENT: Final = "token_spent"
_NOT_STARTED: Final = "not_started"
_NOTHING_RUNS: Final = frozenset({_SPENT, _NOT_STARTED, "at_capacity"})  # of this token
_UNKNOWN_LAUNCH: Final = "unknown_launch"


class LaunchAsked(StrEnum):
    """What became of asking. Bounded: a metric's label."""

    STARTED = "started"  # a process runs; perhaps it did before
    DECLINED = "declined"  # nothing was started: no place, or nobody is there; another one may have one
    REFUSED = "refused"  # nothing was started, and the same request never will be
    UNANSWERED = "unanswered"  # a process may run


class LaunchReply(Struct, frozen=True, kw_only=True):
    """What a launcher said, or all of them."""

    result: LaunchAsked
    launch: str = ""  # its id
    reason: str = ""  # the launcher's own word, or how the connection failed


class _Said(Struct, frozen=True):
    """Of what a launcher answers, what is read."""

    id: str = ""
    error: str = ""


class _Ready(Struct, frozen=True):
    free: Mapping[str, int]


class Launchers:
    """The launchers that are configured. `hear` is told what each answered: its name, its URL, and the answer."""

    def __init__(
        self,
        http: ClientSession,
        urls: Mapping[str, Sequence[str]],
        hear: Callable[[str, str, LaunchReply], object] = lambda _name, _url, _reply: None,
    ) -> None:
        self._http = http
        self._urls = urls
        self._hear = hear

    async def launch(self, name: str, body: Mapping[str, str], *, identity: str) -> LaunchReply:
        """Have one of the launchers of this name start a process; where one may have, no other is asked."""
        declined: LaunchReply | None = None
        asked = LaunchReply(result=LaunchAsked.REFUSED, reason="unknown_launcher")
        try:
            async with asyncio.timeout(WITHIN_S):
                for url in await self._freest(name, identity):
                    asked = LaunchReply(result=LaunchAsked.UNANSWERED, reason="timeout")
                    asked = await self._asked(name, url, body)
                    if asked.result in {LaunchAsked.STARTED, LaunchAsked.UNANSWERED} or asked.reason == _SPENT:
                        return asked
                    if declined is None and asked.result is LaunchAsked.DECLINED:
                        declined = asked
        except TimeoutError:
            return asked
        return declined or asked

    async def stop(self, name: str, launch: str, token: str) -> str:
        """Have the launch end, whichever launcher has it; why none could be told to, "": it is ending, or is over."""
        stops = (self._stopped(url, launch, token) for url in self._urls.get(name, ()))
        told = await asyncio.gather(*stops)
        return "" if "" in told else next((reason for reason in told if reason != _UNKNOWN_LAUNCH), "")

    async def free(self, name: str) -> Mapping[str, int]:
        """How many places each launcher of this name says that it has, by URL; -1: it does not say."""
        urls = self._urls.get(name, ())
        said = await asyncio.gather(*(self._free(name, url) for url in urls))
        return dict(zip(urls, said, strict=True))

    async def _freest(self, name: str, identity: str) -> Sequence[str]:
        """All of them, the freest first; of those with as many places, each first for some."""
        urls = self._urls.get(name, ())
        if len(urls) == 1:
            return urls
        free = await self.free(name)
        return sorted(urls, key=lambda url: (-free[url], crc32(f"{url} {identity}".encode())))

    async def _free(self, name: str, url: str) -> int:
        try:
            timeout = ClientTimeout(total=READY_S)
            address = f"{url}/readyz?launcher={name}"
            async with self._http.get(address, timeout=timeout, allow_redirects=False) as answer:
                return msgspec.json.decode(await _whole(answer), type=_Ready).free.get(name, 0)
        except (ClientError, TimeoutError, OSError, ValueError):
            return _NOBODY

    async def _asked(self, name: str, url: str, body: Mapping[str, str]) -> LaunchReply:
        """The answer of one launcher. It is asked once more where none comes: what it says then may be certain."""
        address = f"{url}/launch/{name}"
        reply = await self._posted(address, body)
        if reply.result is LaunchAsked.UNANSWERED:
            again = await self._posted(address, body)
            certain = again.result is not LaunchAsked.DECLINED or again.reason in _NOTHING_RUNS
            reply = again if certain else reply
        self._hear(name, url, reply)
        return reply

    async def _posted(self, address: str, body: Mapping[str, str]) -> LaunchReply:
        try:
            async with self._http.post(address, json=body, allow_redirects=False) as answer:
                return _reply(answer.status, await _whole(answer))
        except (ClientConnectorError, ConnectionTimeoutError):
            return LaunchReply(result=LaunchAsked.DECLINED, reason="unreachable")
        except TimeoutError:
            return LaunchReply(result=LaunchAsked.UNANSWERED, reason="timeout")
        except (ClientError, OSError, ValueError):
            return LaunchReply(result=LaunchAsked.UNANSWERED, reason="broken")

    async def _stopped(self, url: str, launch: str, token: str) -> str:
        address = f"{url}/v1/launches/{quote(launch, safe='')}/stop?wait=false"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._http.post(address, headers=headers, allow_redirects=False) as answer:
                if answer.status == HTTPStatus.OK:
                    return ""
                return _reply(answer.status, await _whole(answer)).reason
        except TimeoutError:
            return "timeout"
        except (ClientError, OSError, ValueError):
            return "unreachable"


def _reply(status: int, body: bytes) -> LaunchReply:
    """What an answer means. A launcher's own word says more than its status."""
    try:
        said = msgspec.json.decode(body, type=_Said)
    except (ValueError, RecursionError):
        said = _Said()
    if status == HTTPStatus.OK:
        if not said.id:
            return LaunchReply(result=LaunchAsked.UNANSWERED, reason="broken")
        return LaunchReply(result=LaunchAsked.STARTED, launch=brief(said.id, ID_MAX))
    reason = brief(said.error, ID_MAX) or f"http_{status}"
    if status in _ELSEWHERE or said.error in {_SPENT, _NOT_STARTED}:
        return LaunchReply(result=LaunchAsked.DECLINED, reason=reason)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return LaunchReply(result=LaunchAsked.UNANSWERED, reason=reason)
    return LaunchReply(result=LaunchAsked.REFUSED, reason=reason)


async def _whole(answer: ClientResponse) -> bytes:
    """The body. Raises ValueError: it has no end."""
    try:
        await answer.content.readexactly(ANSWER_MAX + 1)
    except asyncio.IncompleteReadError as read:
        return read.partial
    raise ValueError("an answer without end")


@asynccontextmanager
async def launcher_http() -> AsyncIterator[ClientSession]:
    """A door to launchers, with connections of its own: none to LiveKit waits for them."""
    timeout = ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S)
    async with ClientSession(connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar(), timeout=timeout) as session:
        yield session
