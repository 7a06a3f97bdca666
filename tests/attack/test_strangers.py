"""Strangers in every way that was tried: they cost little, are told of seldom, and keep LiveKit from nothing.

The service is a process of its own, and its machine says what it costs. Each attack is bounded, on loopback. Bounds lie
far from what was measured on either side of the change that each of them is about (docs/adr/0021).
"""

import asyncio
import gzip
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.attack.attacked import MIB, TOKEN, Attacked, attacked, request

ANSWERED_WITHIN: Final = 2.0  # seconds, on a busy machine; a probe that takes longer gets processes killed
FEW: Final = 10  # lines of the log, about any number of strangers
LITTLE: Final = 64 * MIB
DEFECTS: Final = 'livekit_dispatcher_loop_errors_total{loop="http"}'
STRANGE: Final = (
    "request.malformed",
    "connections.crowded",
    "connection.unaccepted",
    "library.warned",
    "request.failed",
    "loop.failed",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """One for the whole file: what one attack leaves behind, the next one meets."""
    with attacked(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Attacked]:
    """One that may have 256 files open, as some machines have it."""
    with attacked(tmp_path, files=256) as running:
        yield running


@asynccontextmanager
async def crowd(service: Attacked, number: int, sent: bytes = b"") -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many strangers are connected, and each has sent this; none reads."""
    async with AsyncExitStack() as stack:
        readers = []
        for _ in range(number):
            reader, writer = await stack.enter_async_context(service.connected())
            writer.write(sent)
            readers.append(reader)
        yield readers


async def all_at_once(number: int, one: Callable[[], Awaitable[tuple[int, float]]]) -> list[int]:
    """The statuses of so many requests."""
    return [status for status, _ in await asyncio.gather(*(one() for _ in range(number)))]


async def webhooks_are_taken(service: Attacked, seconds: float) -> None:
    """LiveKit's, one after the other for so long: each is answered with 200, and in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status, took = await service.webhook()
        assert (status, took < ANSWERED_WITHIN) == (200, True), f"{status} after {took:.1f} s"
        await asyncio.sleep(0.05)


# Places -------------------------------------------------------------------------------------------------------------


async def test_idle_connections_beyond_the_files_there_are(few_files: Attacked) -> None:
    """400 at 256 files: webhooks are taken, files are left for Redis and LiveKit, and a few lines tell of it."""
    async with crowd(few_files, 400):
        await webhooks_are_taken(few_files, 3)
        assert few_files.files() < 256 * 0.75
    assert few_files.metric('livekit_dispatcher_http_connections_ended_total{reason="crowded"}') >= 400 - 128
    assert few_files.lines("connections.crowded")
    assert len(few_files.lines(*STRANGE)) <= FEW


async def test_a_storm_of_connections(service: Attacked) -> None:
    """Strangers who connect as fast as they can and say nothing: webhooks are taken in time."""
    ended = asyncio.Event()

    async def storm() -> None:
        async with AsyncExitStack() as stack:
            for number in range(3_000):
                if ended.is_set():
                    return
                await stack.enter_async_context(service.connected())
                if number % 50 == 0:
                    await asyncio.sleep(0.02)

    storming = asyncio.create_task(storm())
    await webhooks_are_taken(service, 2)
    ended.set()
    await storming


# Headers ------------------------------------------------------------------------------------------------------------


@pytest.mark.long
async def test_slow_headers(service: Attacked) -> None:
    """50 strangers who send one more header a second are gone after ten."""
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(service.connected()) for _ in range(50)]
        for line in (b"GET / HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 11):
            for _, writer in slow:
                writer.write(line)
            await webhooks_are_taken(service, 1)
        for reader, _ in slow:
            with suppress(ConnectionError):  # it was closed while more was being sent
                assert await reader.read() == b""


async def test_a_flood_of_headers(service: Attacked) -> None:
    """300 strangers with 960 kB of headers each: there is little left of it, and webhooks are taken."""
    before = service.forget_memory()
    flood = b"GET / HTTP/1.1\r\n" + b"".join(f"X-{n:03}: {'b' * 8_000}\r\n".encode() for n in range(120))
    async with crowd(service, 300, flood):
        await webhooks_are_taken(service, 1)
        assert service.memory() - before < LITTLE


@pytest.mark.parametrize("path", ["/v1/rooms", "/v1/rooms/lobby", "/webhook"])
async def test_odd_bearers(service: Attacked, path: str) -> None:
    """200 tokens of any bytes: each is 401, counted, and no defect."""
    defects = service.metric(DEFECTS)
    dice = random.Random(path)  # noqa: S311 the same bytes in each run
    for _ in range(200):
        token = dice.randbytes(dice.randrange(1, 200)).translate(None, b"\r\n\0")
        authorization = b"Authorization: " + dice.choice([b"Bearer ", b"", TOKEN.encode(), b"Bearer " + TOKEN.encode()])
        asked = request(path, authorization + b"x" + token, body=b"{}" if path == "/webhook" else b"")
        status, _ = await service.asked(asked)
        assert status in {401, 400}, "400: a control character, which HTTP has in no header"
    assert service.metric(DEFECTS) == defects


# Bodies -------------------------------------------------------------------------------------------------------------


async def test_unsigned_bombs(service: Attacked) -> None:
    """4 kB that would be 4 MiB cost no more than a body of two bytes."""
    bomb = request("/webhook", "Content-Encoding: gzip", body=gzip.compress(bytes(4 * MIB)))
    costs = []
    for sent in (request("/webhook", body=b"{}"), bomb):
        before = service.processor()
        for _ in range(200):
            assert (await service.asked(sent))[0] == 401
        costs.append(service.processor() - before)
    plain, packed = costs
    assert packed < 2 * plain + 0.1, f"{packed} s for 200, {plain} s for those of two bytes"


async def test_large_unsigned_bodies(service: Attacked) -> None:
    """150 strangers with 4 MiB each are told 401, and none of it is kept."""
    before = service.forget_memory()
    sent = request("/webhook", body=bytes(4 * MIB))
    assert await all_at_once(150, lambda: service.asked(sent)) == [401] * 150
    assert service.memory() - before < LITTLE


async def test_large_signed_bodies(service: Attacked) -> None:
    """30 of 3 MiB at once, from somebody who has a key: what is too much is 503; one by one they are taken."""
    before = service.forget_memory()
    statuses = await all_at_once(30, lambda: service.webhook(3 * MIB))
    assert set(statuses) <= {200, 503}
    assert 200 in statuses
    assert service.memory() - before < 4 * LITTLE
    assert (await service.webhook(3 * MIB))[0] == 200


# Languages ----------------------------------------------------------------------------------------------------------


async def test_what_is_no_http(service: Attacked) -> None:
    """A thousand times random bytes: 400 or nothing, and a few lines of the log."""
    lines = len(service.lines(*STRANGE))
    dice = random.Random(0)  # noqa: S311 the same bytes in each run
    for _ in range(1_000):
        noise = dice.randbytes(dice.randrange(1, 400)) + b"\r\n\r\n"
        status, _ = await service.asked(noise, within=5)
        assert status in {0, 400}
    assert service.metric('livekit_dispatcher_http_connections_ended_total{reason="not_http"}') >= 900
    assert len(service.lines(*STRANGE)) - lines <= FEW
    assert service.metric(DEFECTS) == 0


# Requests -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow("a hundred strangers, who do not stop")
async def test_requests_for_metrics_without_end(service: Attacked) -> None:
    """A hundred strangers who each ask for them again and again: probes are answered in time."""
    ended = asyncio.Event()

    async def ask() -> None:
        async with service.connected() as (reader, writer):
            while not ended.is_set():
                writer.write(request("/metrics"))
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                await reader.readexactly(int(length.split()[1]))

    asking = [asyncio.create_task(ask()) for _ in range(100)]
    slowest = await asyncio.to_thread(service.slowest_probe, 2)
    ended.set()
    await asyncio.gather(*asking)
    assert slowest < ANSWERED_WITHIN


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
async def test_pipelined_requests_whose_answers_nobody_reads(service: Attacked, path: str) -> None:
    """A hundred times two thousand: probes are answered in time, and no answers are piled up."""
    before = service.forget_memory()
    async with crowd(service, 100, request(path) * 2_000):
        assert await asyncio.to_thread(service.slowest_probe, 2) < ANSWERED_WITHIN
        assert service.memory() - before < LITTLE


@pytest.mark.long
async def test_all_of_it_for_a_minute(few_files: Attacked) -> None:
    """Strangers of every kind at once, who never stop, at 256 files: each webhook is taken in time."""
    before = few_files.forget_memory()
    ended = time.monotonic() + 60
    shapes = [
        b"",
        b"GET / HTTP/1.1\r\nX-A: ",
        random.Random(0).randbytes(300) + b"\r\n\r\n",  # noqa: S311 the same bytes in each run
        request("/metrics") * 50,
        request("/webhook", "Content-Encoding: gzip", body=gzip.compress(bytes(4 * MIB))),
        request("/webhook", "Authorization: Bearer \N{LATIN SMALL LETTER E WITH ACUTE}", body=bytes(MIB)),
        request("/v1/rooms", "Authorization: Bearer guessed"),
        request("/webhook", body=bytes(4 * MIB))[: 2 * MIB],
    ]

    async def stranger(number: int) -> None:
        while time.monotonic() < ended:
            await few_files.asked(shapes[number % len(shapes)], within=3)

    strangers = [asyncio.create_task(stranger(number)) for number in range(160)]
    await webhooks_are_taken(few_files, 60)
    await asyncio.gather(*strangers)
    assert few_files.memory() - before < 2 * LITTLE
    assert few_files.files() < 256 * 0.75
    assert few_files.metric(DEFECTS) == 0
    assert len(few_files.lines(*STRANGE)) <= 4 * FEW
