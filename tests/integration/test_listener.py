"""Who may connect: however many strangers do, and whatever they do, there is a place for who comes next."""

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web

from dispatcher.core.events import Event
from dispatcher.engine.intake import IntakeResult
from dispatcher.http.connection import HEAD_MAX, ConnectionLimits
from dispatcher.http.listener import ACCEPTS, limits_here, listening
from dispatcher.http.server import EXPOSED_EVERY
from tests.integration.front import Client, World, body_of, post, served, signed, wait_until

ASKED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
ALIVE = b'{"alive": true}'
TOO_SOON = 0.1  # seconds in which something that is not to happen would have


@pytest.fixture
def world() -> World:
    """Everything works."""
    return World()


class Socket:
    """One connection to a server, spoken to by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, request: bytes = ASKED) -> bytes:
        """The answer's body."""
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> bytes:
        """The next answer's body. Raises IncompleteReadError or ConnectionError where there is none."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
            return await self.reader.readexactly(int(lengths[0].split()[1]))

    async def is_closed(self) -> bool:
        """It has been closed, or is so soon."""
        try:
            async with asyncio.timeout(5):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


@asynccontextmanager
async def connected(client: Client, number: int = 1) -> AsyncIterator[list[Socket]]:
    """So many connections, the first one longest."""
    async with AsyncExitStack() as stack:
        sockets = []
        for _ in range(number):
            reader, writer = await asyncio.open_connection(client.host, client.port)
            stack.callback(writer.transport.abort)
            sockets.append(Socket(reader, writer))
        yield sockets


class Stuck:
    """An intake that waits until it may go on."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.on = asyncio.Event()

    async def hear(self, _event: Event) -> IntakeResult:
        self.entered.set()
        await self.on.wait()
        return IntakeResult.RECORDED


# How many -----------------------------------------------------------------------------------------------------------


async def test_the_longest_idle_connection_makes_room(world: World) -> None:
    """Whether it was never used or answered last; those beside it are still there."""
    async with served(world, connections=3) as client, connected(client, 3) as (first, second, third):
        for one in (first, second, third, first):
            assert await one.ask() == ALIVE
        async with connected(client, 2) as (fourth, fifth):
            assert [await one.ask() for one in (fourth, fifth)] == [ALIVE, ALIVE]
            assert await second.is_closed()
            assert await third.is_closed()
            assert await first.ask() == ALIVE
    assert world.value("http_connections_ended_total", reason="crowded") == 2
    [line] = world.logged()
    assert line.items() >= {"level": "warning", "action": "connections.crowded", "limit": 3}.items()


async def test_there_are_never_more_connections_than_places(world: World) -> None:
    """A hundred who come at once leave as many open as there are places, and the next one is served."""
    async with served(world, connections=5) as client, connected(client, 100), connected(client) as (one,):
        assert await one.ask() == ALIVE
        await wait_until(lambda: world.value("http_connections") == 5)
    assert world.value("http_connections_ended_total", reason="crowded") == 96


async def test_who_has_just_connected_may_speak_before_being_closed_for_another(world: World) -> None:
    """A request comes later than its connection, and be it LiveKit's in a crowd."""
    async with served(world, connections=1) as client, connected(client) as (first,), connected(client) as (second,):
        async with connected(client) as (third,):
            assert await second.ask() == ALIVE
            assert await third.ask() == ALIVE
        assert await first.is_closed()


async def test_those_who_are_being_closed_are_few(world: World) -> None:
    """A crowd in the kernel's queue is taken in by parts: never so many files are open that it could be noticed."""
    places, peak = 100, 0
    taken = world.metrics.http_connections.inc

    def noted() -> None:
        nonlocal peak
        taken()
        peak = max(peak, int(world.value("http_connections") or 0))

    world.metrics.http_connections.inc = noted  # type: ignore[assignment]
    async with served(world, connections=places) as client:
        crowd = [socket.create_connection((client.host, client.port)) for _ in range(500)]
        await wait_until(lambda: world.value("http_connections_ended_total", reason="crowded") == 400)
        for one in crowd:
            one.close()
    assert places < peak <= places + ACCEPTS


async def test_a_request_under_way_is_not_cut_off_for_a_new_connection(world: World) -> None:
    """With the one place taken, who comes waits until the webhook is answered, and is served then."""
    stuck = Stuck()
    world.hear_as = stuck.hear
    body = body_of()
    head = f"POST /webhook HTTP/1.1\r\nHost: x\r\nAuthorization: {signed(body)['Authorization']}\r\n"
    async with served(world, connections=1) as client, connected(client) as (livekit,):
        livekit.writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await stuck.entered.wait()
        async with connected(client) as (other,):
            asking = asyncio.create_task(other.ask())
            done, _ = await asyncio.wait([asking], timeout=TOO_SOON)
            assert not done
            stuck.on.set()
            assert await livekit.answer() == b'{"result": "recorded"}'
            assert await asking == ALIVE


async def test_who_hung_up_before_the_answer_takes_no_place(world: World) -> None:
    """The answer to nobody leaves nothing behind: there are still no more connections than places."""
    stuck = Stuck()
    world.hear_as = stuck.hear
    body = body_of()
    head = f"POST /webhook HTTP/1.1\r\nHost: x\r\nAuthorization: {signed(body)['Authorization']}\r\n"
    async with served(world, connections=2) as client:
        async with connected(client) as (gone,):
            gone.writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await stuck.entered.wait()
        await wait_until(lambda: world.value("http_connections") == 0)
        stuck.on.set()
        await wait_until(lambda: world.count("participant_joined", IntakeResult.RECORDED) == 1)
        async with connected(client, 6) as sockets:
            assert await sockets[-1].ask() == ALIVE
            await wait_until(lambda: world.value("http_connections") == 2)
    assert world.value("http_connections_ended_total", reason="crowded") == 4


async def test_where_no_file_is_left_the_longest_idle_makes_room_too(world: World) -> None:
    """What failed is told once, and who could not be connected then is a moment later."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with served(world) as client, connected(client, 2) as (first, second):
        assert [await one.ask() for one in (first, second)] == [ALIVE, ALIVE]
        lowest_free = os.dup(0)  # the client's end of the next connection; for the server's there is none
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 1, hard))
        try:
            async with connected(client) as (third,):
                assert await third.ask() == ALIVE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await first.is_closed()
        assert await second.ask() == ALIVE
    [line] = world.logged()
    assert line.items() >= {"level": "warning", "action": "connection.unaccepted", "why": "Too many open files"}.items()


async def test_where_no_file_is_left_and_nobody_is_idle_it_is_tried_again(world: World) -> None:
    """A second later, as nothing says when there are files again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with served(world) as client:
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 1, hard))
        try:
            async with connected(client) as (one,):
                asking = asyncio.create_task(one.ask())
                await wait_until(lambda: bool(world.lines))
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                assert await asking == ALIVE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [line["action"] for line in world.logged()] == ["connection.unaccepted"]


def test_a_process_may_open_all_the_files_it_can_get() -> None:
    """Half of them are for connections, if that many are wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard - 1), hard))

    assert limits_here() == ConnectionLimits(connections=min(500, hard // 2))
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


# How long -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered_before", [False, True])
async def test_headers_have_their_time(world: World, *, answered_before: bool) -> None:
    """However often something more of them comes; a connection on which nothing comes has longer."""
    async with served(world, head_within=0.2) as client, connected(client, 2) as (slow, quiet):
        for one in (slow, quiet):
            assert not answered_before or await one.ask() == ALIVE
        slow.writer.write(b"GET /healthz HTTP/1.1\r\n")
        trickle = asyncio.create_task(_trickled(slow))
        assert await slow.is_closed()
        trickle.cancel()
        assert await quiet.ask() == ALIVE
    assert world.value("http_connections_ended_total", reason="slow_headers") == 1
    assert not world.lines


async def _trickled(socket: Socket) -> None:
    while True:
        socket.writer.write(b"X-A: b\r\n")
        await asyncio.sleep(0.01)


async def test_the_time_for_headers_is_over_with_them(world: World) -> None:
    """Neither a body that comes later nor what comes after it is cut off by it."""
    body = body_of()
    head = f"POST /webhook HTTP/1.1\r\nHost: x\r\nAuthorization: {signed(body)['Authorization']}\r\n"
    async with served(world, head_within=0.1) as client, connected(client) as (one,):
        one.writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        await asyncio.sleep(2 * TOO_SOON)  # more than there is for headers
        assert await one.ask(body) == b'{"result": "recorded"}'
        await asyncio.sleep(2 * TOO_SOON)
        assert await one.ask() == ALIVE


async def test_a_refused_body_that_comes_after_the_answer_is_no_request(world: World) -> None:
    """It is passed over, however much it is and however long it takes; the next request is answered."""
    rest = b"x" * (4 * HEAD_MAX)
    refused = f"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * len(rest)}\r\n\r\n".encode()
    async with served(world, head_within=0.1) as client, connected(client) as (one,):
        assert await one.ask(refused) == b'{"error": "no_token"}'
        one.writer.write(rest)
        await asyncio.sleep(2 * TOO_SOON)
        one.writer.write(rest)
        assert await one.ask() == ALIVE


# How much -----------------------------------------------------------------------------------------------------------


def padded(size: int) -> bytes:
    """A request whose line and headers are of this size, no header above 8 kB."""
    head = ASKED.removesuffix(b"\r\n")
    while (missing := size - len(head) - 2) > 0:
        length = min(missing, 8_000)
        length -= 1 if missing - length in range(1, 6) else 0
        head += b"X: " + b"b" * (length - 5) + b"\r\n"
    return head + b"\r\n"


@pytest.mark.parametrize("piece", [1_000, 1 << 20])
async def test_headers_have_32_kib_at_most(world: World, piece: int) -> None:
    """Counted anew for each request, however they come; beyond it the connection is closed."""
    fits = padded(HEAD_MAX)
    assert len(fits) == HEAD_MAX
    async with served(world) as client, connected(client) as (one,):
        for _ in range(2):
            for at in range(0, len(fits), piece):
                one.writer.write(fits[at : at + piece])
                await one.writer.drain()
                await asyncio.sleep(0)
            assert await one.answer() == ALIVE
        one.writer.write(padded(HEAD_MAX + 1_000)[:-2])
        assert await one.is_closed()
    assert world.value("http_connections_ended_total", reason="large_headers") == 1


async def test_empty_lines_before_a_request_mean_nothing(world: World) -> None:
    """HTTP allows them; they do not end the headers that have not come yet."""
    async with served(world, head_within=0.1) as client, connected(client) as (one,):
        assert await one.ask(b"\r\n\r\n\r\n" + ASKED) == ALIVE
        one.writer.write(b"\r\n\r\n" + padded(2 * HEAD_MAX)[:-2])
        assert await one.is_closed()
    assert world.value("http_connections_ended_total", reason="large_headers") == 1


@pytest.mark.parametrize("cut", range(1, 5))
async def test_the_end_of_headers_may_come_in_pieces(world: World, cut: int) -> None:
    """What follows them is no part of them, however large."""
    body = body_of(padding="x" * 2 * HEAD_MAX)
    lines = f"Authorization: {signed(body)['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
    head = f"POST /webhook HTTP/1.1\r\nHost: x\r\n{lines}".encode()
    async with served(world) as client, connected(client) as (one,):
        for part in (head[:10], head[10:-cut], head[-cut:] + body):
            one.writer.write(part)
            await asyncio.sleep(TOO_SOON / 10)
        assert await one.answer() == b'{"result": "recorded"}'


async def test_each_byte_of_a_request_may_come_on_its_own(world: World) -> None:
    """However slowly it is sent, within its time."""
    async with served(world) as client, connected(client) as (one,):
        for byte in ASKED:
            one.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await one.answer() == ALIVE


# Who does not listen ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def telling(world: World, limits: ConnectionLimits) -> AsyncIterator[Client]:
    """A server that has much to say."""

    async def much(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (16 << 20))

    app = world.app()
    app.router.add_get("/much", much)
    serving = listening(app, "127.0.0.1", 0, metrics=world.metrics, log=world.log, limits=limits)
    async with serving as (host, port), served(World()) as client:
        client.host, client.port = host, port
        yield client


MUCH = b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_an_answer_has_to_be_read(world: World) -> None:
    """Who does not read it in time is cut off; who does gets it all, and the next one."""
    async with telling(world, ConnectionLimits(read_within=0.3)) as client, connected(client, 2) as (deaf, listener):
        deaf.writer.write(MUCH)
        assert [len(await listener.ask(MUCH)) for _ in range(2)] == [16 << 20] * 2
        await wait_until(lambda: world.value("http_connections_ended_total", reason="slow_reader") == 1)
        await wait_until(lambda: world.value("http_connections") == 1)
        assert await listener.ask() == ALIVE


async def test_who_asks_on_without_reading_is_cut_off_at_once(world: World) -> None:
    """Answers that nobody reads are not piled up."""
    async with telling(world, ConnectionLimits()) as client, connected(client) as (deaf,):
        deaf.writer.write(MUCH)
        await deaf.reader.readuntil(b"\r\n\r\n")
        deaf.writer.write(MUCH)
        await wait_until(lambda: world.value("http_connections_ended_total", reason="slow_reader") == 1)


# What is no HTTP ----------------------------------------------------------------------------------------------------

NO_HTTP = {
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32) + b"\r\n\r\n",
    "a Redis command": b"*1\r\n$4\r\nPING\r\n",
    "no method": b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version of it": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "no header": b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a path in no encoding": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length and chunks": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a length below 0": b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP.keys())
async def test_what_is_no_http_is_answered_with_400(world: World, sent: bytes) -> None:
    """In JSON, without a version of anything and with nothing of what was sent; and the connection ends."""
    async with served(world) as client, connected(client) as (one,):
        one.writer.write(sent)
        answer = await one.reader.read()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert b"\r\nServer: livekit-dispatcher\r\n" in head
    assert body == b'{"error": "not_http"}'
    assert world.value("http_connections_ended_total", reason="not_http") == 1
    [line] = world.logged()
    assert (line["level"], line["action"]) == ("warning", "request.malformed")


async def test_what_strangers_cause_is_told_seldom(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand of them are a few lines, and a thousand in the metric; no library says more."""
    async with served(world) as client:
        for _ in range(1_000):
            async with connected(client) as (one,):
                one.writer.write(NO_HTTP["no method"])
                await one.reader.read()

    assert world.value("http_connections_ended_total", reason="not_http") == 1_000
    assert [line["action"] for line in world.logged()] == ["request.malformed"]
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]


async def test_pipelined_requests_are_answered_in_order(world: World) -> None:
    """What one client may do is done: many requests at once, each answered."""
    body = body_of()
    lines = f"Authorization: {signed(body)['Authorization']}\r\nContent-Length: {len(body)}\r\n"
    webhook = f"POST /webhook HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode() + body
    async with served(world) as client, connected(client) as (one,):
        one.writer.write((webhook + ASKED) * 100)
        answers = [await one.answer() for _ in range(200)]
        assert await post(client, body) == 200
    assert answers == [b'{"result": "recorded"}', ALIVE] * 100


async def test_metrics_are_made_for_all_who_ask_together(world: World) -> None:
    """Each sees what had happened when they asked; they are made a few times a second, however many ask."""
    made = 0
    now = asyncio.get_running_loop().time
    exposition = world.metrics.exposition

    def counted(*, as_open_metrics: bool = False) -> tuple[bytes, str]:
        nonlocal made
        made += 1
        return exposition(as_open_metrics=as_open_metrics)

    world.metrics.exposition = counted  # type: ignore[method-assign]
    async with served(world) as client:
        began = now()
        for number in range(3):
            assert await post(client, body_of(id=f"EV_{number}")) == 200
            answers = await asyncio.gather(*(client.get("/metrics") for _ in range(50)))
            recorded = f'webhooks_total{{event="participant_joined",result="recorded"}} {number + 1}.0'
            assert all([recorded in await answer.text() for answer in answers])
    assert made <= 6
    assert now() - began >= 2 * EXPOSED_EVERY
