"""Answers without end, or that swell: as bytes on a socket, for as long as somebody takes them."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import chain, cycle, repeat
from typing import Final

from livekit.protocol import models
from livekit.protocol import room as room_service

LINE: Final = b"HTTP/1.1 200 OK\r\n"
TYPE: Final = b"Content-Type: application/protobuf\r\n"
HEAD: Final = LINE + TYPE + b"Connection: close\r\n\r\n"  # and the body ends with the connection
GZIPPED: Final = LINE + TYPE + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"
CHUNKED: Final = LINE + TYPE + b"Transfer-Encoding: chunked\r\n\r\n"
MIB: Final = 1 << 20

ROOMS: Final = room_service.ListRoomsResponse(
    rooms=[models.Room(sid=f"RM_{n}", name=f"room-{n}", metadata="m" * 20_000) for n in range(10)]
).SerializeToString()
VAST: Final = b"\x0a\x80\x80\x80\x0f" + bytes(30 * MIB)  # a room of 30 MiB, that is none
DRIP_S: Final = 0.05


def inflating(piece: bytes, times: int) -> Iterator[bytes]:
    """So many times the piece, as gzip."""
    weigher = zlib.compressobj(wbits=31)
    for _ in range(times):
        yield weigher.compress(piece)
    yield weigher.flush()


def answers() -> Mapping[str, Iterator[bytes]]:
    """By what is the matter with them. An empty piece is a pause."""
    return {
        "rooms without end": chain([HEAD], repeat(ROOMS)),
        "rooms without end in chunks": chain([CHUNKED], repeat(b"%x\r\n%s\r\n" % (len(ROOMS), ROOMS))),
        "512 MiB of rooms in 2 MB": chain([GZIPPED], inflating(ROOMS, 512 * MIB // len(ROOMS))),
        "512 MiB of zeros in 0.5 MB": chain([GZIPPED], inflating(bytes(MIB), 512)),
        "zeros without end": chain([HEAD], repeat(bytes(MIB))),
        "messages of nothing without end": chain([HEAD], repeat(b"\x0a\x00" * 32_768)),
        "fields beside the list without end": chain([HEAD], repeat(b"\x12\x80\x80\x04" + bytes(65_536))),
        "a room of 30 MiB, again and again": chain([HEAD], repeat(VAST)),
        "a room that announces 2 GiB": chain([HEAD + b"\x0a\x80\x80\x80\x80\x08"], repeat(bytes(MIB))),
        "a length of 2 GiB": chain([LINE + TYPE + b"Content-Length: 2147483648\r\n\r\n"], repeat(ROOMS)),
        "a byte now and then": chain([HEAD], cycle((b"\x0a\x00", b""))),
        "chunks of one byte without end": chain([CHUNKED], repeat(b"1\r\n\x0a\r\n1\r\n\x00\r\n" * 4_096)),
        "headers without end": chain([LINE], (b"X-%d: %s\r\n" % (n, b"x" * 1_000) for n in range(1_000_000))),
        "a header without end": chain([LINE + b"X: "], repeat(b"x" * MIB)),
        "Continue without end": repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_024),
        "an error page without end": chain(
            [b"HTTP/1.1 500 Oh\r\nContent-Type: application/json\r\n\r\n"], repeat(b'{"code": "' + b"x" * MIB)
        ),
        "a redirect with a body without end": chain(
            [b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"], repeat(b"x" * MIB)
        ),
    }


@asynccontextmanager
async def saying(pieces: Iterable[bytes]) -> AsyncIterator[str]:
    """The address of a server that says this to everybody who asks, from its beginning, until they go."""
    under_way: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0 if piece else DRIP_S)

    async def ended(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering = asyncio.create_task(answer(reader, writer))
        under_way.add(answering)
        await asyncio.wait([answering])
        writer.transport.abort()

    server = await asyncio.start_server(ended, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for answering in under_way:
            answering.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await asyncio.sleep(0)  # connections are lost one turn later
