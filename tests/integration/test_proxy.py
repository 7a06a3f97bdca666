"""The harmful network that the tests of Redis stand on does harm as it says, and none when it is healed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.real.proxy import BlackHole, Latency, Proxy, Refuse, ResetAfterSend, SlowClose


class Echo:
    """A server that says what it is told, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.writers: list[asyncio.StreamWriter] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while said := await reader.read(100):
            self.heard += said
            writer.write(said)
        writer.close()


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Echo, Proxy]]:
    """An echo behind a proxy."""
    echo = Echo()
    server = await asyncio.start_server(echo.answer, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield echo, proxy
    server.close()
    for writer in echo.writers:
        writer.transport.abort()
    await server.wait_closed()


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, text: bytes, within: float = 2.0) -> bytes:
        """The answer; nothing: the connection was closed. Raises TimeoutError, and what a reset raises."""
        self.writer.write(text)
        async with asyncio.timeout(within):
            return await self.reader.read(100)


@asynccontextmanager
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    """A connection to the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield Client(reader, writer)
    writer.transport.abort()


async def test_it_hands_on_what_is_said() -> None:
    """Without a fault it is as good as the server."""
    async with proxied() as (_, proxy), client(proxy) as one, client(proxy) as other:
        assert await one.ask(b"a") == b"a"
        assert await other.ask(b"b") == b"b"
        assert await one.ask(b"c") == b"c"
        assert proxy.connections == 2


async def test_latency_is_had_by_connections_that_are_open() -> None:
    """The answer is late by what was asked, and on time again when healed."""
    async with proxied() as (_, proxy), client(proxy) as one:
        await proxy.meet(Latency(0.1))
        began = time.monotonic()

        assert await one.ask(b"late") == b"late"

        assert time.monotonic() - began >= 0.1
        await proxy.heal()
        assert await one.ask(b"soon", within=0.1) == b"soon"


async def test_a_reset_after_sending_comes_when_it_is_done() -> None:
    """The server has heard it; the client sees a reset."""
    async with proxied() as (echo, proxy), client(proxy) as one:
        await proxy.meet(ResetAfterSend())

        with pytest.raises(ConnectionResetError):
            await one.ask(b"done")

        assert echo.heard == b"done"
        await proxy.heal()
        async with client(proxy) as other:
            assert await other.ask(b"well") == b"well"


async def test_nothing_comes_out_of_a_black_hole() -> None:
    """Old and new connections stay open and silent; after it only a new one is of use."""
    async with proxied() as (echo, proxy), client(proxy) as old:
        assert await old.ask(b"a") == b"a"
        await proxy.meet(BlackHole())
        async with client(proxy) as new:
            for one in (old, new):
                with pytest.raises(TimeoutError):
                    await one.ask(b"lost", within=0.1)
        await proxy.heal()

        with pytest.raises(TimeoutError):
            await old.ask(b"still lost", within=0.1)
        async with client(proxy) as new:
            assert await new.ask(b"b") == b"b"
        assert echo.heard == b"ab"


async def test_a_slow_close_hides_that_the_server_has_gone() -> None:
    """The connection seems alive for as long, and is reset then."""
    async with proxied() as (echo, proxy), client(proxy) as one:
        assert await one.ask(b"a") == b"a"
        await proxy.meet(SlowClose(0.2))
        echo.writers[0].close()
        began = time.monotonic()

        with pytest.raises(ConnectionResetError):
            await one.ask(b"b")

        assert time.monotonic() - began >= 0.2


async def test_refused_is_refused_at_the_same_port_until_healed() -> None:
    """Open connections are reset, new ones refused; healed, the port is as it was."""
    async with proxied() as (_, proxy), client(proxy) as one:
        assert await one.ask(b"a") == b"a"
        await proxy.meet(Refuse())

        with pytest.raises(ConnectionResetError):
            await one.ask(b"b")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)

        await proxy.heal()
        async with client(proxy) as other:
            assert await other.ask(b"c") == b"c"


async def test_a_server_that_is_not_there_is_noticed_as_late() -> None:
    """Slow to close, a proxy without a server takes the connection and keeps it for as long."""
    async with Proxy(1) as proxy:  # nobody listens on port 1
        await proxy.meet(SlowClose(0.2))
        began = time.monotonic()
        async with client(proxy) as one:
            with pytest.raises(ConnectionResetError):
                await one.ask(b"a")

        assert time.monotonic() - began >= 0.2
