"""The body of a webhook: however it is packed and however slowly it comes, it is bounded."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from io import BytesIO

import pytest

from dispatcher.server import BODY_MAX
from tests.integration.front import Client, Connect, World, body_of, post, signed, wait_until


@pytest.fixture
def world() -> World:
    """Everything works."""
    return World()


@pytest.fixture
async def client(world: World, aiohttp_client: Connect) -> Client:
    """A client of the server over `world`."""
    return await aiohttp_client(world.app())


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    """The body in pieces: aiohttp sends such a one chunked."""
    for at in range(0, len(body), 1 << 16):
        yield body[at : at + (1 << 16)]


@pytest.mark.parametrize(("length", "status"), [(BODY_MAX, 200), (BODY_MAX + 1, 413)])
@pytest.mark.parametrize("sending", ["whole", "chunked", "gzip"])
async def test_a_body_has_4_mib_at_most(world: World, client: Client, length: int, status: int, sending: str) -> None:
    """Counted as it was signed, and to the byte, however it is sent."""
    empty = len(body_of(padding=""))
    body = body_of(padding="x" * (length - empty))
    data = chunks(body) if sending == "chunked" else BytesIO(gzip.compress(body, 1) if sending == "gzip" else body)
    coding = {"Content-Encoding": "gzip"} if sending == "gzip" else {}
    answer = await client.post("/webhook", data=data, headers=signed(body, **coding))

    assert answer.status == status
    if status == 413:
        assert await answer.json() == {"error": "too_large"}
        assert world.count("unknown", "too_large") == 1
        assert world.logged()[0].items() >= {"action": "webhook_rejected", "reason": "too_large"}.items()


@pytest.mark.parametrize(
    ("coding", "sent"),
    [
        ("gzip", gzip.compress(body_of())),
        ("x-gzip", gzip.compress(body_of())),
        (" GZIP ", gzip.compress(body_of())),
        ("deflate", zlib.compress(body_of())),
        ("identity", body_of()),
    ],
)
@pytest.mark.parametrize("in_chunks", [False, True])
async def test_s1_a_body_that_a_proxy_packed_is_verified_unpacked(
    client: Client, coding: str, sent: bytes, *, in_chunks: bool
) -> None:
    """The hash in the token is that of the bytes LiveKit made."""
    headers = signed(body_of(), **{"Content-Encoding": coding})
    answer = await client.post("/webhook", data=chunks(sent) if in_chunks else sent, headers=headers)

    assert answer.status == 200


@pytest.mark.parametrize(
    ("coding", "sent", "status", "reason"),
    [
        ("gzip", b"no gzip at all", 400, "broken_body"),
        ("gzip", gzip.compress(body_of())[:-9], 400, "broken_body"),
        ("br", b"x", 415, "unsupported_encoding"),
        ("gzip, gzip", b"x", 415, "unsupported_encoding"),
        ("gzip", gzip.compress(bytes(1 << 26)), 413, "too_large"),
    ],
    ids=["not gzip", "cut", "brotli", "twice", "a bomb of 64 MiB"],
)
async def test_a_body_that_cannot_be_unpacked_is_refused(
    world: World, client: Client, coding: str, sent: bytes, status: int, reason: str
) -> None:
    """Nothing of it can be verified, so it is no event; the next request is served as ever."""
    answer = await client.post("/webhook", data=sent, headers={"Content-Encoding": coding})

    assert (answer.status, await answer.json()) == (status, {"error": reason})
    assert world.count("unknown", reason) == 1
    assert await post(client, body_of()) == 200


async def test_a_bomb_is_not_inflated(client: Client) -> None:
    """What would be 64 MiB takes the memory of a body at most, with what it takes to hold it twice."""
    sent = gzip.compress(bytes(1 << 26))
    tracemalloc.start()
    answer = await client.post("/webhook", data=sent, headers={"Content-Encoding": "gzip"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert answer.status == 413
    assert peak < 4 * BODY_MAX


@pytest.mark.parametrize(
    "sent", [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
)
async def test_a_body_that_does_not_come_is_not_waited_for(world: World, aiohttp_client: Connect, sent: bytes) -> None:
    """A sender that stalls holds a connection for a bounded time."""
    client = await aiohttp_client(world.app(body_within=0.05))
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"POST /webhook HTTP/1.1\r\nHost: x\r\n" + sent)
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()

    assert answer.split()[1] == b"408"
    assert world.count("unknown", "too_slow") == 1


async def test_a_sender_that_hangs_up_half_way_is_no_fault_of_ours(world: World, client: Client) -> None:
    """A connection that breaks before the body is whole is counted as a broken body."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\nhalf")
    assert b"100 Continue" in await reader.readline()
    writer.close()
    await writer.wait_closed()

    await wait_until(lambda: world.count("unknown", "broken_body") == 1)
    assert not world.value("loop_errors_total", loop="http")
