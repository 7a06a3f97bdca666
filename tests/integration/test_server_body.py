"""The body of a webhook: however it is packed and however slowly it comes, it is bounded."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from io import BytesIO

import pytest

from dispatcher.core.events import Event
from dispatcher.engine.intake import IntakeResult
from dispatcher.http.bodies import BODY_MAX, Bodies
from dispatcher.livekit.webhook import sign
from tests.integration.front import NOW, SECRET, Client, World, body_of, post, served, signed, wait_until


@pytest.fixture
def world() -> World:
    """Everything works."""
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """A client of the server over `world`."""
    async with served(world) as client:
        yield client


def head(body: bytes = b"", *lines: str) -> bytes:
    """The beginning of a webhook, signed as if that were its body, with these headers beside."""
    signature = f"Authorization: {signed(body)['Authorization']}"
    return "\r\n".join(["POST /webhook HTTP/1.1", "Host: x", signature, *lines, "", ""]).encode()


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
        assert world.logged()[0].items() >= {"action": "webhook.rejected", "reason": "too_large"}.items()


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
    """Signed as it is, nothing can be made of it, so it is no event; the next request is served as ever."""
    answer = await client.post("/webhook", data=sent, headers=signed(sent, **{"Content-Encoding": coding}))

    assert (answer.status, await answer.json()) == (status, {"error": reason})
    assert world.count("unknown", reason) == 1
    assert await post(client, body_of()) == 200


async def test_a_bomb_is_not_inflated(client: Client) -> None:
    """What would be 64 MiB takes the memory of a body at most, with what it takes to hold it twice."""
    sent = gzip.compress(bytes(1 << 26))
    tracemalloc.start()
    answer = await client.post("/webhook", data=sent, headers=signed(sent, **{"Content-Encoding": "gzip"}))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert answer.status == 413
    assert peak < 4 * BODY_MAX


# In which order it is judged -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "no_token"),
        (signed(b"")["Authorization"] + "x", "bad_signature"),
        (sign(b"", key="nobodys", secret=SECRET, now=NOW), "unknown_key"),
        (sign(b"", key="devkey", secret=SECRET, now=NOW - 3_600_000), "expired"),
    ],
)
async def test_who_has_not_signed_is_answered_before_the_body(
    world: World, client: Client, authorization: str | None, reason: str
) -> None:
    """The answer is there while nothing of the body has come, however large it is said to be and however packed."""
    lines = [f"Authorization: {authorization}"] if authorization else []
    lines += ["Content-Length: 1000000000", "Content-Encoding: br"]
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write("\r\n".join(["POST /webhook HTTP/1.1", "Host: x", *lines, "", ""]).encode())
    answer = await reader.readuntil(b"}")
    writer.transport.abort()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert world.count("unknown", reason) == 1


@pytest.mark.parametrize(
    ("lines", "status", "reason"),
    [
        (["Content-Length: 4194305"], 413, "too_large"),
        (["Content-Length: 1", "Content-Encoding: br"], 415, "unsupported_encoding"),
    ],
)
async def test_a_body_that_will_not_do_is_not_waited_for(
    world: World, client: Client, lines: list[str], status: int, reason: str
) -> None:
    """What its headers say of it is enough."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(head(b"", *lines))
    answer = await reader.readuntil(b"}")
    writer.transport.abort()

    assert answer.split()[1] == str(status).encode()
    assert world.count("unknown", reason) == 1


@pytest.mark.parametrize("sent", [(b"half", "Content-Length: 10"), (b"4\r\nhalf\r\n", "Transfer-Encoding: chunked")])
async def test_a_body_that_does_not_come_is_not_waited_for_long(world: World, sent: tuple[bytes, str]) -> None:
    """LiveKit, as its signature says, is told to try again."""
    body, line = sent
    async with served(world, Bodies(within=0.05)) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(head(b"", line) + body)
        answer = await reader.readuntil(b"}")
        writer.transport.abort()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1" in answer
    assert world.count("unknown", "too_slow") == 1


async def test_a_sender_that_hangs_up_half_way_is_no_fault_of_ours(world: World, client: Client) -> None:
    """A connection that breaks before the body is whole is counted as a broken body."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(head(b"", "Content-Length: 10", "Expect: 100-continue") + b"half")
    assert b"100 Continue" in await reader.readline()
    writer.close()
    await writer.wait_closed()

    await wait_until(lambda: world.count("unknown", "broken_body") == 1)
    assert not world.value("loop_errors_total", loop="http")


# All of them together -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sending", ["whole", "chunked", "gzip"])
async def test_what_is_beyond_the_sum_of_bodies_is_503(world: World, sending: str) -> None:
    """While one webhook is being recorded there is no room for a second one, which then comes again."""
    body = body_of(id="EV_1", padding="x" * 4_000)
    other = body_of(id="EV_2", padding="x" * 4_000)
    stuck, trigger = asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> IntakeResult:
        if event.id == "EV_1":
            stuck.set()
            await trigger.wait()
        return IntakeResult.RECORDED

    world.hear_as = slow
    coding = {"Content-Encoding": "gzip"} if sending == "gzip" else {}
    packed = gzip.compress(other) if sending == "gzip" else other
    async with served(world, Bodies(most=len(body) + len(other) - 1)) as client:
        waiting = asyncio.create_task(post(client, body))
        await stuck.wait()
        data = chunks(other) if sending == "chunked" else packed
        answer = await client.post("/webhook", data=data, headers=signed(other, **coding))
        assert (answer.status, await answer.json()) == (503, {"error": "busy"})
        assert answer.headers["Retry-After"] == "1"
        trigger.set()
        assert await waiting == 200
        assert await post(client, other) == 200
    assert world.count("unknown", "busy") == 1


async def test_no_body_keeps_its_room_when_it_was_refused(world: World) -> None:
    """Whatever came of those before it, there is room for the next one."""
    body = body_of(padding="x" * 4_000)
    async with served(world, Bodies(most=len(body), within=0.05)) as client:
        for sent, headers in (
            (body[:-1], signed(body)),
            (body, signed(body, **{"Content-Encoding": "gzip"})),
            (BytesIO(bytes(BODY_MAX + 1)), signed(body)),
        ):
            assert (await client.post("/webhook", data=sent, headers=headers)).status in {400, 401, 413, 503}
        _, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(head(body, f"Content-Length: {len(body)}") + b"half")
        await wait_until(lambda: world.count("unknown", "too_slow") == 1)
        writer.transport.abort()

        assert await post(client, body) == 200
