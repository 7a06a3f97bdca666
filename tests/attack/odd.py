"""Answers that no service of ours and no LiveKit gives: what proxies, balancers and pages say in their place."""

import gzip
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from aiohttp.test_utils import TestServer

JSON: Final = "application/json"
HTML: Final = "text/html"
ELSEWHERE: Final = "https://elsewhere.example:8443"
ESCAPE: Final = "\x1b[31m"


@dataclass(frozen=True, slots=True)
class Odd:
    """A whole answer."""

    status: int
    body: bytes = b""
    content_type: str = HTML
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        return web.Response(status=self.status, body=self.body, content_type=self.content_type, headers=self.headers)


ODD: Final[Mapping[str, Odd]] = {
    "200 empty": Odd(200),
    "200 html": Odd(200, b"<html><body>Sign in</body></html>"),
    "200 html as json": Odd(200, b"<html>", JSON),
    "200 null": Odd(200, b"null", JSON),
    "200 list": Odd(200, b"[]", JSON),
    "200 without fields": Odd(200, b"{}", JSON),
    "200 other fields": Odd(200, b'{"status": "ok"}', JSON),
    "200 fields of other types": Odd(200, b'{"sessions": 7, "result": 7}', JSON),
    "200 lives of other types": Odd(200, b'{"sessions": [{"room": "lobby"}], "result": null}', JSON),
    "200 no lives": Odd(200, b'{"sessions": []}', JSON),
    "200 not utf-8": Odd(200, b'{"sessions": "\xff", "result": "\xff"}', JSON),
    "200 cut short": Odd(200, b'{"sessions": [', JSON),
    "200 deep": Odd(200, b"[" * 100_000, JSON),
    "200 with a broken gzip": Odd(200, b"no gzip", JSON, {"Content-Encoding": "gzip"}),
    "200 of 64 MiB in 64 kB": Odd(200, gzip.compress(bytes(64 << 20)), JSON, {"Content-Encoding": "gzip"}),
    "204": Odd(204),
    "301": Odd(301, headers={"Location": f"{ELSEWHERE}/v1/rooms?token=s3cret"}),
    "302 to nowhere": Odd(302, headers={"Location": "https://["}),
    "302 without a place": Odd(302),
    "303": Odd(303, headers={"Location": "/login"}),
    "307 to itself": Odd(307, headers={"Location": "."}),
    "308": Odd(308, headers={"Location": f"{ELSEWHERE}/"}),
    "400 html": Odd(400, b"<html>Bad Request</html>"),
    "401 html": Odd(401, b"<html>Authorization Required</html>"),
    "403 empty": Odd(403),
    "404 html": Odd(404, b"<html>nginx</html>"),
    "404 text": Odd(404, b"404: Not Found", "text/plain"),
    "413 html": Odd(413, b"<html>"),
    "429 json of another": Odd(429, b'{"message": "slow down"}', JSON, {"Retry-After": "soon"}),
    "500 error of another type": Odd(500, b'{"error": {"code": 7}}', JSON),
    "502 html": Odd(502, b"<html>Bad Gateway</html>"),
    "503 empty": Odd(503),
    "504 html": Odd(504, b"<html>"),
    "520": Odd(520, b"<html>cloudflare</html>"),
    "599": Odd(599, b"{}", JSON),
    "999": Odd(999),
}


@asynccontextmanager
async def answering(odd: Odd, seen: Callable[[web.Request], object] = lambda _: None) -> AsyncIterator[str]:
    """The address of a server that answers like this, whatever it is asked."""

    async def answer(request: web.Request) -> web.Response:
        seen(request)
        await request.read()
        return odd.response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")
