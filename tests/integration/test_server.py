"""The HTTP side: what LiveKit, a probe and a scraper are answered, on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TraceConfig, web
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.core.events import Event
from dispatcher.core.facts import Ms
from dispatcher.engine.intake import IntakeResult
from dispatcher.http.listener import listening
from dispatcher.ledger.interface import LedgerUnavailable
from dispatcher.livekit.webhook import BadWebhook, Signed, sign
from tests.integration.front import (
    NOW,
    SECRET,
    Client,
    World,
    answering,
    body_of,
    failing,
    post,
    served,
    signed,
    wait_until,
)

RECORDED = Path(__file__).parents[1] / "recorded"


@pytest.fixture
def world() -> World:
    """Everything works."""
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """A client of the server over `world`."""
    async with served(world) as client:
        yield client


# What LiveKit is answered --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heard", IntakeResult)
async def test_what_the_intake_took_is_200(world: World, client: Client, heard: IntakeResult) -> None:
    """Recorded, repeated, over or ignored: the answer says which, and so does the metric."""
    world.hear_as = partial(answering, heard)
    body = body_of()
    answer = await client.post("/webhook", data=body, headers=signed(body))

    assert (answer.status, await answer.json()) == (200, {"result": heard})
    assert [(project, event.id) for project, event in world.heard] == [("default", "EV_1")]
    assert world.count("participant_joined", heard) == 1


@pytest.mark.parametrize("recorded", [json.loads(path.read_text()) for path in sorted(RECORDED.glob("*.json"))])
async def test_a_recorded_webhook_is_taken(world: World, client: Client, recorded: dict[str, Any]) -> None:
    """What a real livekit-server sent, header by header and byte by byte, is taken."""
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
    assert world.count("other", IntakeResult.RECORDED) == 1


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
    assert line.items() >= {"level": "warning", "action": "webhook.rejected", "reason": reason}.items()
    assert len(line["hint"]) > len(reason)


@pytest.mark.parametrize(
    ("authorization", "key"),
    [
        (None, ""),
        (sign(b"", key="aforeignkey", secret=SECRET, now=NOW), "aforei…"),
        (sign(b"", key="devkey", secret="another", now=NOW), "devkey"),
        (signed(b"another body")["Authorization"], "devkey"),
    ],
    ids=["no token", "unknown key", "another secret", "another body"],
)
async def test_a_refusal_says_where_from_and_by_which_key(
    world: World, client: Client, authorization: str | None, key: str
) -> None:
    """Of the key its beginning; of the sender the address here, and the one that a proxy names."""
    headers = {"Authorization": authorization} if authorization else {}
    await client.post("/webhook", data=body_of(), headers={**headers, "X-Forwarded-For": "203.0.113.7, 10.0.0.1"})

    [line] = world.logged()
    assert line["key"] == key
    assert (line["sender"], line["forwarded_for"]) == ("127.0.0.1", "203.0.113.7, 10.0.0.1")
    assert "aforeignkey" not in "".join(world.lines)


def test_every_result_of_a_webhook_is_counted_from_the_start(world: World) -> None:
    """At 0: an alarm sees the first of each."""
    world.app()
    for event, result in (
        *(("participant_joined", "recorded"), ("other", "ignored"), ("room_finished", "ledger_unavailable")),
        *(("unknown", "bad_signature"), ("unknown", "too_slow"), ("unknown", "failed"), ("unknown", "wrong_path")),
    ):
        assert world.count(event, result) == 0


async def test_strangers_do_not_fill_the_log(world: World, client: Client) -> None:
    """A hundred unsigned requests are one line a minute; the metrics count them all."""
    for _ in range(100):
        assert (await client.post("/webhook", data=body_of())).status == 401

    assert [line["reason"] for line in world.logged()] == ["no_token"]
    assert world.count("unknown", "no_token") == 100


@pytest.mark.parametrize("body", [b"", b"not json", b"[" * 100_000, b"\xff\xfe", b'{"event": 3}'])
async def test_s8_what_is_signed_but_undecodable_is_200_counted_and_loud(
    world: World, client: Client, body: bytes
) -> None:
    """A 4xx would change nothing: LiveKit never sends it again either way."""
    answer = await client.post("/webhook", data=body, headers=signed(body))

    assert (answer.status, await answer.json()) == (200, {"result": "undecodable"})
    assert world.count("unknown", "undecodable") == 1
    [line] = world.logged()
    assert (
        line.items()
        >= {"level": "error", "action": "webhook.undecodable", "project": "default", "key": "devkey"}.items()
    )


# Law 1 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said", "action"),
    [
        (LedgerUnavailable(), "ledger_unavailable", None),
        (RuntimeError(SECRET), "failed", "request.failed"),
        (TimeoutError(), "failed", "request.failed"),
        (ConnectionResetError(), "failed", "request.failed"),
        (BadWebhook.__new__(BadWebhook), "failed", "request.failed"),
        (web.HTTPBadRequest(), "failed", "request.failed"),
        (RecursionError(), "failed", "request.failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_law_1_w12_a_verified_event_is_never_answered_with_4xx(
    world: World, client: Client, error: Exception, said: str, action: str | None
) -> None:
    """W11, W12: whatever fails behind the verification, the answer is 503 and LiveKit tries again."""
    world.hear_as = partial(failing, error)
    body = body_of()
    answer = await client.post("/webhook", data=body, headers=signed(body))

    assert (answer.status, await answer.json()) == (503, {"error": said})
    assert answer.headers["Retry-After"] == "1"
    assert [line["action"] for line in world.logged()] == ([action] if action else [])
    assert SECRET not in "".join(world.lines)


@pytest.mark.parametrize(("error", "counted"), [(LedgerUnavailable(), 0), (RuntimeError(), 1)])
async def test_own_trouble_is_counted(world: World, client: Client, error: Exception, counted: int) -> None:
    """The ledger's under the event's name; what nobody expected under none, and as an error that was survived."""
    world.hear_as = partial(failing, error)
    body = body_of()
    await client.post("/webhook", data=body, headers=signed(body))

    assert world.count(*(("unknown", "failed") if counted else ("participant_joined", "ledger_unavailable"))) == 1
    assert world.value("loop_errors_total", loop="http") == counted


async def test_law_1_holds_for_a_bug_in_the_verification(world: World, client: Client) -> None:
    """What fails before anything is known is 503 too: the event may be good."""

    def broken(_authorization: str | None, _now: Ms) -> Signed:
        raise RuntimeError(SECRET)

    world.verify_as = broken
    answer = await client.post("/webhook", data=body_of())

    assert answer.status == 503
    assert world.count("unknown", "failed") == 1
    [line] = world.logged()
    assert line["error"] == "RuntimeError"
    assert line["error_at"][-1].endswith(" broken")


async def test_w10_a_stuck_intake_holds_up_nobody_else(world: World, client: Client) -> None:
    """While one room's event waits, others are answered; the one that waited is answered as ever."""
    body, other = body_of(), body_of(id="EV_2")
    stuck, trigger = asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> IntakeResult:
        if event.id == "EV_1":
            stuck.set()
            await trigger.wait()
        return IntakeResult.RECORDED

    world.hear_as = slow
    waiting = asyncio.create_task(post(client, body))
    await stuck.wait()
    assert await post(client, other) == 200
    assert (await client.get("/healthz")).status == 200
    trigger.set()

    assert await waiting == 200


async def test_a_sender_that_hangs_up_does_not_stop_the_intake(world: World, client: Client) -> None:
    """An event that is being recorded when the connection breaks is recorded."""
    body = body_of()
    stuck, trigger = asyncio.Event(), asyncio.Event()

    async def slow(_event: Event) -> IntakeResult:
        stuck.set()
        await trigger.wait()
        return IntakeResult.RECORDED

    world.hear_as = slow
    head = f"POST /webhook HTTP/1.1\r\nHost: x\r\nAuthorization: {signed(body)['Authorization']}\r\n"
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await stuck.wait()
    writer.transport.abort()
    await wait_until(lambda: world.value("http_connections") == 0)
    trigger.set()

    await wait_until(lambda: world.count("participant_joined", IntakeResult.RECORDED) == 1)


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
    assert 'livekit_dispatcher_webhooks_total{event="unknown",result="no_token"} 1.0' in await answer.text()


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (None, "text/plain"),
        ("*/*", "text/plain"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain"),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", "application/openmetrics-text"),
        ("Application/OpenMetrics-Text; version=0.0.1", "application/openmetrics-text"),
        ("application/openmetrics-text; version=" + "9" * 5_000, "application/openmetrics-text"),
        (",;,=", "text/plain"),
    ],
)
async def test_metrics_have_the_format_that_is_accepted(client: Client, accept: str | None, given: str) -> None:
    """OpenMetrics where the request names it, whatever else stands there; each as its own parser reads it."""
    answer = await client.get(
        "/metrics", headers={"Accept": accept} if accept is not None else {}, skip_auto_headers=["Accept"]
    )
    text = await answer.text()
    assert answer.content_type == given
    read = open_metrics_families if given != "text/plain" else text_string_to_metric_families
    assert "livekit_dispatcher_webhooks" in {family.name.removesuffix("_total") for family in read(text)}
    assert text.endswith("# EOF\n") is (given != "text/plain")


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/rooms", 404, "not_found"),
        ("GET", "/webhook", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_said_in_json(
    client: Client, method: str, path: str, status: int, said: str
) -> None:
    """Errors have one name; the methods allowed are named, and below /v1 it is a problem."""
    answer = await client.request(method, path)
    body = await answer.json()

    assert (answer.status, body["error"]) == (status, said)
    assert (answer.content_type == "application/problem+json") is path.startswith("/v1")
    assert path.startswith("/v1") or body == {"error": said}
    assert ("Allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/webhook"])
async def test_the_server_names_no_versions(client: Client, path: str) -> None:
    """Whom it may concern learns what answers, not which release of what."""
    assert (await client.get(path)).headers["Server"] == "livekit-dispatcher"


async def test_ordinary_requests_are_not_logged(world: World, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """A decision is a line, a request is not."""
    caplog.set_level("DEBUG")
    await client.get("/healthz")
    await post(client, body_of())

    assert not world.lines
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]


def opened(world: World, port: int = 0) -> AbstractAsyncContextManager[tuple[str, int]]:
    """A server over this world."""
    return listening(world.app(), "127.0.0.1", port, metrics=world.metrics, log=world.log)


async def test_it_listens_where_told(world: World) -> None:
    """On a free port if asked for port 0, over one connection for many requests; afterwards no more."""
    body, connected = body_of(), []

    async def note(*_: object) -> None:
        connected.append(1)

    trace = TraceConfig()
    trace.on_connection_create_end.append(note)
    async with ClientSession(trace_configs=[trace]) as session:
        async with opened(world) as (host, port):
            for _ in range(3):
                async with session.post(f"http://{host}:{port}/webhook", data=body, headers=signed(body)) as answer:
                    assert answer.status == 200
            assert (host, len(connected)) == ("127.0.0.1", 1)
        with pytest.raises(OSError, match="Connect call failed"):
            await session.get(f"http://{host}:{port}/healthz")


async def test_a_request_under_way_is_answered_before_it_stops(world: World) -> None:
    """Stopping takes no new connection, but ends what it began."""
    body = body_of()
    stuck, trigger = asyncio.Event(), asyncio.Event()

    async def slow(_event: Event) -> IntakeResult:
        stuck.set()
        await trigger.wait()
        return IntakeResult.RECORDED

    world.hear_as = slow
    async with ClientSession() as session:
        async with opened(world) as (host, port):
            post = session.post(f"http://{host}:{port}/webhook", data=body, headers=signed(body))
            waiting = asyncio.ensure_future(post)
            await stuck.wait()
            asyncio.get_running_loop().call_soon(trigger.set)
        answer = await waiting

    assert (answer.status, len(world.heard)) == (200, 1)


async def test_an_address_that_is_taken_is_an_error(world: World) -> None:
    """Nothing starts quietly on no port, and nothing is left open."""
    async with opened(world) as (_, port):
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            async with opened(World(), port):
                pass
