"""The HTTP side: what LiveKit, a probe and a scraper are answered, on a real socket."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aiohttp import ClientSession, TraceConfig, web
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry

from dispatcher.core.events import Event, Ms
from dispatcher.intake import Heard
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.logs import Log
from dispatcher.metrics import Metrics
from dispatcher.server import BODY_MAX, build, listening
from dispatcher.webhook import ApiKey, BadWebhook, Received, Unreadable, receive, sign

SECRET = "devsecret-devsecret-devsecret-devsecret"
KEYS = {"devkey": ApiKey("default", SECRET)}
NOW: Ms = 1_795_251_780_000  # two seconds after the event below
RECORDED = Path(__file__).parents[1] / "recorded"
JOIN = {
    "event": "participant_joined",
    "id": "EV_1",
    "createdAt": "1795251778",
    "room": {"sid": "RM_1", "name": "lobby"},
    "participant": {"sid": "PA_1", "identity": "alice"},
}

Client: TypeAlias = "TestClient[web.Request, web.Application]"
Connect: TypeAlias = Callable[[web.Application], Awaitable[Client]]
Hear: TypeAlias = Callable[[Event], Awaitable[Heard]]


class World:
    """What the server stands on: an intake that does as told, and what was logged and counted."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Event]] = []
        self.lines: list[str] = []
        self.registry = CollectorRegistry()
        self.now = NOW
        self.not_ready: str | None = None
        self.receive: Callable[[bytes, str | None, Ms], Received | Unreadable] = partial(_receive)
        self.hear_as: Hear = partial(_answer, Heard.RECORDED)

    async def hear(self, project: str, event: Event) -> Heard:
        """The intake."""
        self.heard.append((project, event))
        return await self.hear_as(event)

    def app(self, body_within: float = 5.0) -> web.Application:
        """The application over this world."""
        return build(
            receive=lambda body, authorization, now: self.receive(body, authorization, now),
            intake=self,
            ready=lambda: self.not_ready,
            metrics=Metrics(self.registry),
            log=Log(self.lines.append, lambda: NOW / 1000),
            clock=lambda: self.now,
            body_within=body_within,
        )

    def count(self, event: str, result: str) -> float | None:
        """Requests counted under these labels."""
        return self.registry.get_sample_value("dispatcher_webhooks_total", {"event": event, "result": result})

    def value(self, name: str, **labels: str) -> float | None:
        """A sample."""
        return self.registry.get_sample_value(f"dispatcher_{name}", labels)

    def logged(self) -> list[dict[str, Any]]:
        """Every line."""
        return [json.loads(line) for line in self.lines]


def _receive(body: bytes, authorization: str | None, now: Ms) -> Received | Unreadable:
    return receive(body, authorization, KEYS, now)


async def _answer(heard: Heard, _event: Event) -> Heard:
    return heard


async def _fail(error: Exception, _event: Event) -> Heard:
    raise error


@pytest.fixture
def world() -> World:
    """Everything works."""
    return World()


@pytest.fixture
async def client(world: World, aiohttp_client: Connect) -> Client:
    """A client of the server over `world`."""
    return await aiohttp_client(world.app())


def body_of(**changes: object) -> bytes:
    """A webhook's body."""
    return json.dumps({**JOIN, **changes}).encode()


def signed(body: bytes, **headers: str) -> dict[str, str]:
    """Headers as LiveKit sends them with the body."""
    return {"Authorization": sign(body, key="devkey", secret=SECRET, now=NOW), **headers}


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    """The body in pieces: aiohttp sends such a one chunked."""
    for at in range(0, len(body), 1 << 16):
        yield body[at : at + (1 << 16)]


# What LiveKit is answered --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heard", Heard)
async def test_what_the_intake_took_is_200(world: World, client: Client, heard: Heard) -> None:
    """Recorded, repeated, over or ignored: the answer says which, and so does the metric."""
    world.hear_as = partial(_answer, heard)
    body = body_of()
    answer = await client.post("/webhook", data=body, headers=signed(body))

    assert (answer.status, await answer.json()) == (200, {"result": heard})
    assert [(project, event.id) for project, event in world.heard] == [("default", "EV_1")]
    assert world.count("participant_joined", heard) == 1


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
async def test_a_recorded_webhook_is_taken(world: World, client: Client, path: Path) -> None:
    """What a real livekit-server sent, header by header and byte by byte, is taken."""
    recorded = json.loads(path.read_text())
    event = json.loads(recorded["body"])
    world.now = int(event["createdAt"]) * 1000
    sent = {name: value for name, value in recorded["headers"].items() if name in {"Authorization", "Content-Type"}}
    answer = await client.post("/webhook", data=recorded["body"].encode(), headers=sent)

    assert answer.status == 200
    assert world.heard[0][1].name == event["event"]


async def test_an_event_without_a_known_name_is_counted_as_other(world: World, client: Client) -> None:
    """The future's events are taken, and make no new series (W9)."""
    body = body_of(event="room_painted")
    answer = await client.post("/webhook", data=body, headers=signed(body))

    assert answer.status == 200
    assert world.count("other", Heard.RECORDED) == 1


async def test_age_skew_and_time_are_measured(world: World, client: Client) -> None:
    """How old the event was, how far the clocks are apart, and how long the answer took."""
    for body in (body_of(), body_of(createdAt="0"), body_of(createdAt="1795251999")):
        await client.post("/webhook", data=body, headers=signed(body))

    assert world.value("webhook_age_seconds_count") == 2
    assert world.value("webhook_age_seconds_sum") == 2
    assert world.value("webhook_skew_seconds_bucket", le="-3.0") == 0
    assert world.value("webhook_skew_seconds_bucket", le="3.0") == 3
    assert world.value("webhook_seconds_count") == 3


@pytest.mark.parametrize("kind", ["application/webhook+json", "application/json; charset=utf-8", "text/plain", None])
@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer "])
@pytest.mark.parametrize("name", ["Authorization", "authorization"])
async def test_s2_s3_content_type_and_header_form_do_not_matter(
    client: Client, kind: str | None, scheme: str, name: str
) -> None:
    """Proxies change them; the token and the bytes are what counts."""
    body = body_of()
    headers = {name: scheme + signed(body)["Authorization"]} | ({"Content-Type": kind} if kind else {})
    skip = () if kind else ("Content-Type",)
    answer = await client.post("/webhook", data=body, headers=headers, skip_auto_headers=skip)

    assert answer.status == 200


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no_token"),
        ({"Authorization": "Basic Zm9v"}, "malformed_token"),
        (signed(b"another body"), "hash_mismatch"),
    ],
)
async def test_what_cannot_be_verified_is_401_with_the_reason(
    world: World, client: Client, headers: dict[str, str], reason: str
) -> None:
    """The reason is in the answer, the log and the metric, with a hint for whoever reads the log; no write happens."""
    answer = await client.post("/webhook", data=body_of(), headers=headers)

    assert (answer.status, await answer.json()) == (401, {"error": reason})
    assert not world.heard
    assert world.count("unknown", reason) == 1
    [line] = world.logged()
    assert line.items() >= {"level": "warning", "action": "webhook_rejected", "reason": reason}.items()
    assert len(line["hint"]) > len(reason)


@pytest.mark.parametrize("body", [b"", b"not json", b"[" * 100_000, b"\xff\xfe", b'{"event": 3}'])
async def test_s8_what_is_signed_but_unreadable_is_200_counted_and_loud(
    world: World, client: Client, body: bytes
) -> None:
    """A 4xx would change nothing: LiveKit never sends it again either way."""
    answer = await client.post("/webhook", data=body, headers=signed(body))

    assert (answer.status, await answer.json()) == (200, {"result": "unreadable"})
    assert world.count("unknown", "unreadable") == 1
    [line] = world.logged()
    assert line.items() >= {"level": "error", "action": "unreadable", "project": "default", "key": "devkey"}.items()


# Law 1 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said", "action"),
    [
        (LedgerUnavailable(), "ledger_unavailable", "ledger_unavailable"),
        (RuntimeError(SECRET), "failed", "http_failed"),
        (TimeoutError(), "failed", "http_failed"),
        (ConnectionResetError(), "failed", "http_failed"),
        (BadWebhook.__new__(BadWebhook), "failed", "http_failed"),
        (web.HTTPBadRequest(), "failed", "http_failed"),
        (RecursionError(), "failed", "http_failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_law_1_a_verified_event_is_never_answered_with_4xx(
    world: World, client: Client, error: Exception, said: str, action: str
) -> None:
    """W11, W12: whatever fails behind the verification, the answer is 503 and LiveKit tries again."""
    world.hear_as = partial(_fail, error)
    body = body_of()
    answer = await client.post("/webhook", data=body, headers=signed(body))

    assert (answer.status, await answer.json()) == (503, {"error": said})
    assert answer.headers["Retry-After"] == "1"
    assert [line["action"] for line in world.logged()] == [action]
    assert SECRET not in "".join(world.lines)


@pytest.mark.parametrize(("error", "counted"), [(LedgerUnavailable(), None), (RuntimeError(), 1)])
async def test_own_trouble_is_counted(world: World, client: Client, error: Exception, counted: int | None) -> None:
    """The ledger's under the event's name; what nobody expected under none, and as an error that the server survived."""
    world.hear_as = partial(_fail, error)
    body = body_of()
    await client.post("/webhook", data=body, headers=signed(body))

    assert world.count(*(("unknown", "failed") if counted else ("participant_joined", "ledger_unavailable"))) == 1
    assert world.value("loop_errors_total", loop="http") == counted


async def test_law_1_holds_for_a_bug_in_the_verification(world: World, client: Client) -> None:
    """What fails before anything is known is 503 too: the event may be good."""

    def broken(_body: bytes, _authorization: str | None, _now: Ms) -> Received:
        raise RuntimeError(SECRET)

    world.receive = broken
    answer = await client.post("/webhook", data=body_of())

    assert answer.status == 503
    assert world.count("unknown", "failed") == 1
    [line] = world.logged()
    assert line["error"] == "RuntimeError"
    assert line["error_at"][-1].endswith(" broken")


async def test_w10_a_stuck_intake_holds_up_nobody_else(world: World, client: Client) -> None:
    """While one room's event waits, others are answered; the one that waited is answered as ever."""
    body, other = body_of(), body_of(id="EV_2")
    stuck, on = asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> Heard:
        if event.id == "EV_1":
            stuck.set()
            await on.wait()
        return Heard.RECORDED

    world.hear_as = slow
    waiting = asyncio.create_task(_post(client, body))
    await stuck.wait()
    assert await _post(client, other) == 200
    assert (await client.get("/healthz")).status == 200
    on.set()

    assert await waiting == 200


async def test_a_sender_that_hangs_up_does_not_stop_the_intake(world: World, client: Client) -> None:
    """An event that is being recorded when the connection breaks is recorded."""
    body = body_of()
    stuck, on = asyncio.Event(), asyncio.Event()

    async def slow(_event: Event) -> Heard:
        stuck.set()
        await on.wait()
        return Heard.RECORDED

    world.hear_as = slow
    head = f"POST /webhook HTTP/1.1\r\nHost: x\r\nAuthorization: {signed(body)['Authorization']}\r\n"
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await stuck.wait()
    writer.transport.abort()
    server = client.server.handler
    assert isinstance(server, web.Server)
    await wait_until(lambda: not server.connections)
    on.set()

    await wait_until(lambda: world.count("participant_joined", Heard.RECORDED) == 1)


async def wait_until(claim: Callable[[], bool]) -> None:
    """It becomes true, soon."""
    async with asyncio.timeout(5):
        while not claim():
            await asyncio.sleep(0)


async def _post(client: Client, body: bytes) -> int:
    async with client.post("/webhook", data=body, headers=signed(body)) as answer:
        return answer.status


# The body -----------------------------------------------------------------------------------------------------------


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
    assert await _post(client, body_of()) == 200


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


# The rest -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "length"), [("GET", 15), ("HEAD", 0)])
async def test_healthz_says_alive(world: World, client: Client, method: str, length: int) -> None:
    """Whatever else is wrong: a probe that fails restarts the process, which mends nothing."""
    world.not_ready = "ledger"
    answer = await client.request(method, "/healthz")

    assert answer.status == 200
    assert len(await answer.read()) == length


@pytest.mark.parametrize(
    ("reason", "status", "said"),
    [(None, 200, {"ready": True}), ("draining", 503, {"ready": False, "reason": "draining"})],
)
async def test_readyz_says_why_not(
    world: World, client: Client, reason: str | None, status: int, said: dict[str, object]
) -> None:
    """Ready, or the reason why not."""
    world.not_ready = reason
    answer = await client.get("/readyz")

    assert (answer.status, await answer.json()) == (status, said)


async def test_metrics_are_prometheus_text(client: Client) -> None:
    """As a scraper expects them."""
    await client.post("/webhook")
    answer = await client.get("/metrics")

    assert answer.content_type == "text/plain"
    assert 'dispatcher_webhooks_total{event="unknown",result="no_token"} 1.0' in await answer.text()


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/rooms", 404, "not_found"),
        ("POST", "/webhook/", 404, "not_found"),
        ("GET", "/webhook", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_said_in_json(
    client: Client, method: str, path: str, status: int, said: str
) -> None:
    """Errors have one shape; the methods allowed are named."""
    answer = await client.request(method, path)

    assert (answer.status, await answer.json()) == (status, {"error": said})
    assert ("Allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/webhook"])
async def test_the_server_names_no_versions(client: Client, path: str) -> None:
    """Whom it may concern learns what answers, not which release of what."""
    assert (await client.get(path)).headers["Server"] == "livekit-dispatcher"


async def test_ordinary_requests_are_not_logged(world: World, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """A decision is a line, a request is not."""
    caplog.set_level("DEBUG")
    await client.get("/healthz")
    await _post(client, body_of())

    assert not world.lines
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]


async def test_it_listens_where_told(world: World) -> None:
    """On a free port if asked for port 0, over one connection for many requests; afterwards no more."""
    body, connected = body_of(), []

    async def note(*_: object) -> None:
        connected.append(1)

    trace = TraceConfig()
    trace.on_connection_create_end.append(note)
    async with ClientSession(trace_configs=[trace]) as session:
        async with listening(world.app(), "127.0.0.1", 0) as (host, port):
            for _ in range(3):
                async with session.post(f"http://{host}:{port}/webhook", data=body, headers=signed(body)) as answer:
                    assert answer.status == 200
            assert (host, len(connected)) == ("127.0.0.1", 1)
        with pytest.raises(OSError, match="Connect call failed"):
            await session.get(f"http://{host}:{port}/healthz")


async def test_a_request_under_way_is_answered_before_it_stops(world: World) -> None:
    """Stopping takes no new connection, but ends what it began."""
    body = body_of()
    stuck, on = asyncio.Event(), asyncio.Event()

    async def slow(_event: Event) -> Heard:
        stuck.set()
        await on.wait()
        return Heard.RECORDED

    world.hear_as = slow
    async with ClientSession() as session:
        async with listening(world.app(), "127.0.0.1", 0) as (host, port):
            post = session.post(f"http://{host}:{port}/webhook", data=body, headers=signed(body))
            waiting = asyncio.ensure_future(post)
            await stuck.wait()
            asyncio.get_running_loop().call_soon(on.set)
        answer = await waiting

    assert (answer.status, len(world.heard)) == (200, 1)


async def test_an_address_that_is_taken_is_an_error(world: World) -> None:
    """Nothing starts quietly on no port, and nothing is left open."""
    async with listening(world.app(), "127.0.0.1", 0) as (host, port):
        with pytest.raises(OSError, match="address already in use"):
            async with listening(World().app(), host, port):
                pass
