"""The way to LiveKit: by the proxy that the environment names, and only to a certificate that is trusted."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from livekit.protocol import room as room_service
from yarl import URL

from dispatcher.livekit.answers import NoReply, twirp_session
from dispatcher.livekit.failures import Reason, Unavailable
from dispatcher.livekit.proxies import proxy_for, way
from tests.real.redis_servers import certificate
from tests.real.server import free_port
from tests.unit.livekit.twirp import Script, reply, scripted

PROXY = "http://proxy.example:3128"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No proxies but a test's own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.fixture
async def server() -> AsyncIterator[Script]:
    """A scripted LiveKit."""
    async with scripted() as script:
        yield script


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "https://a.livekit.cloud", None),
        ({"HTTPS_PROXY": PROXY}, "https://a.livekit.cloud", PROXY),
        ({"https_proxy": PROXY}, "https://a.livekit.cloud", PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://a.livekit.cloud", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://livekit:7880", None),
        ({"HTTP_PROXY": PROXY}, "http://livekit:7880", PROXY),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "livekit"}, "http://livekit:7880", None),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "livekit:7880"}, "http://livekit:7880", None),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": ".svc"}, "http://livekit.default.svc:7880", None),
        ({"HTTP_PROXY": PROXY, "no_proxy": "*"}, "http://livekit:7880", None),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "other"}, "http://livekit:7880", PROXY),
        ({"HTTP_PROXY": PROXY}, "http://127.0.0.1:7880", None),
        ({"HTTP_PROXY": PROXY}, "http://localhost:7880", None),
        ({"HTTP_PROXY": PROXY}, "http://[::1]:7880", None),
    ],
)
def test_the_proxy_is_the_one_that_the_environment_names(
    environment: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None
) -> None:
    """By the scheme of the address; this machine is never asked by one."""
    for name, value in variables.items():
        environment.setenv(name, value)

    assert proxy_for(URL(url)) == (URL(proxy) if proxy else None)


def test_people_are_told_of_the_way(environment: pytest.MonkeyPatch) -> None:
    """Of the host and the port, without what the proxy is told."""
    environment.setenv("HTTPS_PROXY", "http://ann:hush@proxy.example:3128")

    assert way("wss://a.livekit.cloud") == ", by the proxy proxy.example:3128"
    assert way("ws://livekit:7880") == ""


async def test_a_call_goes_by_the_proxy(environment: pytest.MonkeyPatch, server: Script) -> None:
    """The name of LiveKit's host is for the proxy to find."""
    environment.setenv("HTTP_PROXY", server.url)
    server.answer("ListRooms", reply(room_service.ListRoomsResponse()))

    assert await server.client(url="ws://livekit.invalid:7880").rooms() == ()
    assert [method for method, _ in server.asked] == ["ListRooms"]


async def test_the_way_is_found_out_once_for_each_address(monkeypatch: pytest.MonkeyPatch, server: Script) -> None:
    """It takes 0.1 ms; other calls to the same address cost nothing, and another LiveKit has its own."""
    asked: list[str] = []

    def counting(url: URL) -> URL | None:
        asked.append(f"{url.scheme} {url.host}")
        return URL(server.url)

    monkeypatch.setattr("dispatcher.livekit.answers.proxy_for", counting)
    async with twirp_session() as session:
        for host in ("a.invalid", "a.invalid", "b.invalid"):
            with pytest.raises(NoReply):
                await session.get(f"http://{host}/")

    assert asked == ["http a.invalid", "http b.invalid"]


async def test_a_proxy_that_is_not_there_is_named(environment: pytest.MonkeyPatch, server: Script) -> None:
    """Not as if LiveKit were down; nothing was sent."""
    environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable) as failed:
        await server.client(url="wss://livekit.invalid").rooms()

    assert failed.value.reason is Reason.PROXY


@asynccontextmanager
async def refusing(heard: list[str]) -> AsyncIterator[str]:
    """A proxy that lets nobody through."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with listener:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def test_a_proxy_that_refuses_is_named_and_never_sees_our_token(
    environment: pytest.MonkeyPatch, server: Script
) -> None:
    """It is told its own user and password, and where to connect."""
    heard: list[str] = []
    async with refusing(heard) as address:
        environment.setenv("HTTPS_PROXY", f"http://ann:hush@{address}")
        with pytest.raises(Unavailable) as failed:
            await server.client(url="wss://livekit.invalid").rooms()

    assert failed.value.reason is Reason.PROXY
    assert heard[0].startswith("CONNECT livekit.invalid:443 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'ann:hush').decode()}\r\n" in heard[0]
    assert "Bearer" not in heard[0]


async def test_passwords_of_netrc_never_take_the_place_of_our_tokens(
    environment: pytest.MonkeyPatch, server: Script, tmp_path: Path
) -> None:
    """Other programs' passwords for the same host are theirs."""
    (tmp_path / "netrc").write_text("default login ann password hush\n")
    environment.setenv("NETRC", str(tmp_path / "netrc"))
    environment.setenv("HTTP_PROXY", server.url)
    server.answer("ListRooms", reply(room_service.ListRoomsResponse()))

    assert await server.client(url="http://livekit.invalid").rooms() == ()


async def test_a_certificate_that_nobody_vouches_for_is_named(server: Script, tmp_path: Path) -> None:
    """Not as if nobody answered: SSL_CERT_FILE is what mends it."""
    _, cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable) as failed:
            await server.client(url=f"wss://127.0.0.1:{port}").rooms()

    assert failed.value.reason is Reason.UNTRUSTED
