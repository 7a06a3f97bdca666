"""How a worker is asked who it is: livekit-agents, of Python and of Node, serve `GET /worker` and `GET /`.

Node sends no content type, and says neither its load nor its SDK's version. Every answer is bounded in time and size.
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from msgspec import Struct

from dispatcher.core.errors import DispatcherError
from dispatcher.core.text import AGENT_MAX, ID_MAX, brief
from dispatcher.core.workers import Missing, Registered

ANSWER_S: Final = 2.0  # for a name to be resolved; and for both requests together
ANSWER_MAX: Final = 16 * 1024  # bytes; one has some 150
AT_ONCE: Final = 8
ALL: Final = "dns+"  # before a URL: every address of its name is a worker's

_NO_SUCH_NAME: Final = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})
_JOBS_MAX: Final = 10**6


class WorkerEndpoint(Struct, frozen=True):
    """Where one worker is asked. `address` is how people are told of it."""

    address: str
    url: str
    host: str  # for the header of that name


class _Worker(Struct):
    """What /worker answers; protobuf's JSON leaves out what is empty or 0."""

    agent_name: str = ""
    worker_type: str = "JT_ROOM"
    active_jobs: int = 0
    worker_load: float | None = None
    sdk_version: str = ""


_WORKER: Final = msgspec.json.Decoder(_Worker, strict=False)


class _NotWorker(DispatcherError):
    """What answers is none, or not as one."""

    def __init__(self, why: Missing) -> None:
        super().__init__(why)
        self.why = why


class WorkerHttp:
    """Asks workers, a few at once."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def places(self, url: str) -> Sequence[WorkerEndpoint] | Missing:
        """Where to ask for what is configured: at a URL, or at all addresses of a name as they are now."""
        if not url.startswith(ALL):
            return [WorkerEndpoint(url, url, urlsplit(url).netloc)]
        parts = urlsplit(url.removeprefix(ALL))
        port = parts.port or 80
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_S):
                found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            return Missing.TIMEOUT
        except OSError as error:
            return Missing.UNRESOLVED if error.errno in _NO_SUCH_NAME else Missing.UNREACHABLE
        hosts = sorted({str(address[0]) for *_, address in found})
        nets = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts]
        return [WorkerEndpoint(f"{parts.hostname} ({net})", f"http://{net}", parts.netloc) for net in nets]

    async def ask(self, place: WorkerEndpoint) -> Registered | Missing:
        """The worker there. It never raises."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._asked(place)
        except TimeoutError:
            return Missing.TIMEOUT
        except _NotWorker as error:
            return error.why
        except ClientConnectorDNSError as error:
            return Missing.UNRESOLVED if error.os_error.errno in _NO_SUCH_NAME else Missing.UNREACHABLE
        except ClientConnectorError as error:
            return Missing.REFUSED if error.os_error.errno == errno.ECONNREFUSED else Missing.UNREACHABLE
        except (ClientError, OSError):
            return Missing.BROKEN

    async def _asked(self, place: WorkerEndpoint) -> Registered:
        headers = {"Host": place.host}
        async with self._session.get(f"{place.url}/worker", headers=headers, allow_redirects=False) as answer:
            worker = await _read(answer)
        async with self._session.get(f"{place.url}/", headers=headers, allow_redirects=False) as answer:
            ready = answer.status == 200
        return Registered(
            agent=brief(worker.agent_name, AGENT_MAX),
            type=brief(worker.worker_type, ID_MAX),
            jobs=min(max(0, worker.active_jobs), _JOBS_MAX),
            load=worker.worker_load,
            sdk=brief(worker.sdk_version, ID_MAX),
            ready=ready,
        )


async def _read(answer: ClientResponse) -> _Worker:
    if answer.status != 200:
        raise _NotWorker(Missing.BROKEN)
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > ANSWER_MAX:
            raise _NotWorker(Missing.TOO_LONG)
    try:
        return _WORKER.decode(body)
    except (ValueError, RecursionError):
        raise _NotWorker(Missing.BROKEN) from None


@asynccontextmanager
async def worker_http() -> AsyncIterator[WorkerHttp]:
    """A door to workers, with connections of its own: none to LiveKit waits for them."""
    connector = TCPConnector(limit=AT_ONCE)
    timeout = ClientTimeout(total=ANSWER_S)
    async with ClientSession(connector=connector, cookie_jar=DummyCookieJar(), timeout=timeout) as session:
        yield WorkerHttp(session)
