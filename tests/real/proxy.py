"""A network that does harm: TCP between a client and a server, in the test's own loop. What goes wrong is data.

A fault holds for connections old and new until another takes its place or `heal`.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self, TypeAlias, assert_never

CHUNK: Final = 1 << 16
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing is a reset


@dataclass(frozen=True, slots=True)
class Latency:
    """Whatever the server answers arrives `seconds` late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ResetAfterSend:
    """What is sent arrives; the connection is reset in place of the answer."""


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Connections are taken and stay open, and nothing passes: what met it is lost, also when it is over."""


@dataclass(frozen=True, slots=True)
class SlowClose:
    """A server that has closed, or refuses, is noticed `seconds` late; until then it seems to be thinking."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nobody listens, and connections are reset."""


Fault: TypeAlias = Latency | ResetAfterSend | BlackHole | SlowClose | Refuse


class Proxy:
    """Listens on `port` of 127.0.0.1 and hands on to `target`, a port of the same."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.connections = 0  # taken so far
        self._fault: Fault | None = None
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()
        for pair in tuple(self._pairs):
            pair.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    async def meet(self, fault: Fault) -> None:
        """This is what goes wrong from now on."""
        self._fault = fault
        if isinstance(fault, Refuse):
            await self._close()
        else:
            await self._listen()

    async def heal(self) -> None:
        """New connections are as good as the server; old ones too, unless something was lost on them."""
        self._fault = None
        await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._pair, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                _reset(writer)
            await self._server.wait_closed()
            self._server = None

    async def _pair(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One client's connection, until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._pairs.add(task)
        self._writers.add(to_client)
        try:
            await self._joined(client, to_client)
        except (OSError, asyncio.CancelledError):  # CancelledError: the proxy ends
            pass
        finally:
            _reset(to_client)
            self._writers.discard(to_client)
            self._pairs.discard(task)

    async def _joined(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            await self._notice_late()
            raise
        self._writers.add(to_server)
        pumps = [asyncio.create_task(self._send(client, to_server))]
        pumps += [asyncio.create_task(self._answer(server, to_client))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            _reset(to_server)
            self._writers.discard(to_server)

    async def _send(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while sent := await client.read(CHUNK):
            if isinstance(self._fault, BlackHole):
                await _for_ever()
            to_server.write(sent)
            await to_server.drain()

    async def _answer(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Ends when the client is to hear that its connection has ended."""
        while answer := await _read(server):
            match self._fault:
                case None | SlowClose() | Refuse():  # Refuse: this connection is being reset
                    pass
                case Latency(seconds):
                    await asyncio.sleep(seconds)
                case ResetAfterSend():
                    return
                case BlackHole():
                    await _for_ever()
                case _:
                    assert_never(self._fault)
            to_client.write(answer)
            await to_client.drain()
        await self._notice_late()

    async def _notice_late(self) -> None:
        match self._fault:
            case SlowClose(seconds):
                await asyncio.sleep(seconds)
            case BlackHole():
                await _for_ever()
            case _:
                return


async def _read(server: asyncio.StreamReader) -> bytes:
    """What the server says next; nothing: it has ended, one way or another."""
    with suppress(ConnectionError):
        return await server.read(CHUNK)
    return b""


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    """The other side gets a reset, at once."""
    if (sock := writer.get_extra_info("socket")) is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
