"""Webhooks that do not come as they should: which are taken all the same, and what is told of the others."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from aiohttp import ClientConnectionError

from dispatcher.http.connection import HEAD_MAX
from tests.integration.front import Client, World, body_of, served, signed

LIVEKITS = "application/webhook+json"


@pytest.fixture
def world() -> World:
    """Everything works."""
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """A client of the server over `world`."""
    async with served(world) as client:
        yield client


@pytest.mark.parametrize("path", ["/webhook", "/webhook/", "//webhook", "//webhook//", "/webhook?x=1", "/webhook/?x=1"])
async def test_a_slash_too_many_loses_no_webhook(world: World, client: Client, path: str) -> None:
    """A URL made of two parts, or a proxy, adds them."""
    body = body_of()
    url = f"http://{client.host}:{client.port}{path}"
    async with client.request("POST", url, data=body, headers=signed(body)) as answer:
        assert answer.status == HTTPStatus.OK
    assert world.count("participant_joined", "recorded") == 1
    assert world.health.troubles([]) == []


@pytest.mark.parametrize(
    "headers", [signed(body_of()), {"Content-Type": LIVEKITS}, {"Content-Type": f"{LIVEKITS}; x=1"}]
)
@pytest.mark.parametrize("path", ["/", "/webhooks", "/Webhook", "/livekit/webhook", "/v1/rooms/webhook"])
async def test_a_webhook_to_a_wrong_path_is_counted_and_told(
    world: World, client: Client, path: str, headers: dict[str, str]
) -> None:
    """By its token or its content type; the line names the URL that LiveKit should have."""
    answer = await client.post(path, data=body_of(), headers=headers)

    assert answer.status == HTTPStatus.NOT_FOUND
    assert world.count("unknown", "wrong_path") == 1
    (line,) = world.logged()
    said = {"level": "warning", "action": "webhook.astray", "reason": "wrong_path", "method": "POST", "path": path}
    assert line.items() >= said.items()
    assert line["url"] == f"http://{client.host}:{client.port}/webhook"
    assert line["sender"] == "127.0.0.1"
    assert line["key"] == ("devkey" if "Authorization" in headers else "")
    (trouble,) = world.health.troubles([])
    assert (trouble.kind, trouble.reason, trouble.count) == ("webhooks_astray", "wrong_path", 1)
    assert trouble.asked == f"POST {path}"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_a_get_that_a_redirect_has_made_of_a_webhook_is_told(world: World, client: Client, method: str) -> None:
    """LiveKit follows redirects: from http to https its POST becomes a GET, and its body is lost."""
    answer = await client.request(method, "/webhook", headers=signed(b""))

    assert answer.status == HTTPStatus.METHOD_NOT_ALLOWED
    assert world.count("unknown", "wrong_method") == 1
    (line,) = world.logged()
    assert line.items() >= {"action": "webhook.astray", "reason": "wrong_method", "method": method}.items()


async def test_behind_a_proxy_the_url_is_the_proxys(world: World, client: Client) -> None:
    """And the sender is the proxy's own, beside the one that it names."""
    forwarded = {"Host": "dispatch.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
    await client.post("/hook", data=b"", headers={"Content-Type": LIVEKITS, **forwarded})
    (line,) = world.logged()
    assert line["url"] == "https://dispatch.example.com/webhook"
    assert (line["sender"], line["forwarded_for"]) == ("127.0.0.1", "203.0.113.7")


async def test_what_strangers_ask_for_is_no_webhook(world: World, client: Client) -> None:
    """Neither a browser at /webhook, nor whoever looks for something else, nor a token to join a room."""
    await client.get("/webhook")
    await client.post("/login", data=b"x", headers={"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"})
    await client.post("/login", json={})
    assert world.logged() == []
    assert world.count("unknown", "wrong_path") == 0
    assert world.health.troubles([]) == []


async def test_strangers_who_pretend_cannot_fill_the_log_or_draw_on_it(world: World, client: Client) -> None:
    """One line a minute; whatever they send stays on it, and is short."""
    for number in range(50):
        path = f"/%1b[31m{number}{'x' * 3_000}"
        await client.post(path, headers={"Content-Type": LIVEKITS, "Host": "a" * 3_000, "X-Forwarded-For": "f" * 3_000})
    assert world.count("unknown", "wrong_path") == 50
    (line,) = world.logged()
    assert line["path"].startswith("/\\x1b[31m0xxx")
    assert max(len(str(value)) for value in line.values()) < 700
    (trouble,) = world.health.troubles([])
    assert trouble.count == 50
    assert len(trouble.asked) < 200


@pytest.mark.parametrize("name", ["X-Trace", "Cookie"])
async def test_one_header_may_be_as_long_as_all_together(world: World, client: Client, name: str) -> None:
    """Sidecars and gateways add large ones: LiveKit's webhook is taken all the same."""
    body = body_of()
    async with client.post("/webhook", data=body, headers={**signed(body), name: "x" * (30 << 10)}) as answer:
        assert answer.status == HTTPStatus.OK
    assert world.count("participant_joined", "recorded") == 1


async def test_headers_beyond_the_limit_are_counted_and_told(world: World, client: Client) -> None:
    """Nothing else would show that webhooks are lost that way."""
    body = body_of()
    with pytest.raises(ClientConnectionError):
        await client.post("/webhook", data=body, headers={**signed(body), "X": "x" * HEAD_MAX})
    assert world.value("http_connections_ended_total", reason="large_headers") == 1
    (line,) = world.logged()
    said = {"level": "warning", "action": "headers.too_large", "limit": HEAD_MAX, "sender": "127.0.0.1"}
    assert line.items() >= said.items()
