"""The page over HTTP: how it is served, who is told what they may do, and whom a proxy has signed in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Final

import aiohttp
import pytest
from msgspec.structs import replace
from yarl import URL

from dispatcher.app import running
from dispatcher.config import ApiToken, Secret, Ui
from dispatcher.http.proxied import PAGE_HEADER, USER_MAX
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit
from tests.integration.house import TOKEN, config, rule

USER: Final = "X-Forwarded-User"
HERE: Final = ip_network("127.0.0.0/8")
BEHIND_PROXY: Final = Ui(trust_header=USER, proxies=(HERE,), scopes=frozenset({"read", "dispatch"}))
NO_PROXY: Final = Ui()
ALICE: Final = {USER: "alice@example.org"}


@asynccontextmanager
async def asking(
    ui: Ui = NO_PROXY, *, token: str | None = TOKEN, tokens: tuple[ApiToken, ...] = ()
) -> AsyncIterator[aiohttp.ClientSession]:
    """Who asks a service with this page."""
    async with FakeLiveKit() as livekit:
        settings = replace(config(livekit.url, rule("greeter"), token=token), ui=ui, api_tokens=tokens)
        async with (
            running(settings, Log(lambda _line: None, lambda: 0.0), version="test") as service,
            aiohttp.ClientSession(service.admin_url) as http,
        ):
            yield http


async def who(http: aiohttp.ClientSession, headers: Mapping[str, str]) -> tuple[int, dict[str, object]]:
    """What `/v1/whoami` answers."""
    async with http.get("/v1/whoami", headers=headers) as answer:
        return answer.status, await answer.json()


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/", "/ui", "/ui/", "/ui/rooms/a%2Fb", "/ui/rooms/x/y/z", "/ui/rooms?room=.."])
async def test_every_view_is_the_same_page_and_finds_its_files(path: str) -> None:
    """Without a token; under a policy that lets nothing run that is not ours."""
    async with asking() as http, http.get(path) as answer:
        text = await answer.text()
        assert answer.status == 200
        assert answer.content_type == "text/html"
        assert answer.headers["Cache-Control"] == "no-cache"
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "trusted-types 'none'" in policy
        main = text.partition('type="module" src="')[2].partition('"')[0]
        async with http.get(answer.url.join(URL(main))) as script:
            assert script.status == 200
            assert script.content_type == "text/javascript"
            assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_what_a_browser_has_is_not_sent_again() -> None:
    """The page by its tag; a file of another version is served, and not kept."""
    async with asking() as http:
        async with http.get("/ui") as first:
            tag = first.headers["ETag"]
        async with http.get("/ui", headers={"If-None-Match": tag}) as again:
            assert again.status == 304
        async with http.get("/ui/assets/0123456789abcdef/js/main.js") as other:
            assert other.status == 200
            assert other.headers["Cache-Control"] == "no-store"
        async with http.get("/ui/assets/0123456789abcdef/js/../../../page.py") as outside:
            assert b"Page" not in await outside.read()
        async with http.get("/ui/assets/0123456789abcdef/js/absent.js") as absent:
            assert absent.status == 404


async def test_with_ui_false_nothing_is_there() -> None:
    """Neither the page nor its files; a header of a proxy's says nothing then, and explain names no page."""
    async with asking(replace(BEHIND_PROXY, enabled=False)) as http:
        for path in ("/", "/ui", "/ui/rooms/lobby", "/ui/assets/x/js/main.js"):
            async with http.get(path) as answer:
                assert (answer.status, await answer.json()) == (404, {"error": "not_found"})
        assert (await who(http, ALICE))[0] == 401


async def test_a_token_is_told_what_it_may_do() -> None:
    """`admin` has all scopes in it; a token without `read` may ask, too."""
    agents = frozenset({"sales"})
    clerk = ApiToken(name="clerk", token=Secret("of-the-clerk"), scopes=frozenset({"dispatch"}), agents=agents)
    async with asking(tokens=(clerk,)) as http:
        everything = {"name": "environment", "scopes": ["read", "dispatch", "admin"], "projects": ["default"]}
        assert await who(http, bearer(TOKEN)) == (200, {**everything, "agents": None, "dry_run": False})
        status, told = await who(http, bearer("of-the-clerk"))
        assert (status, told["scopes"], told["agents"]) == (200, ["dispatch"], ["sales"])
        assert (await who(http, {}))[0] == 401


async def test_whom_a_proxy_has_signed_in_needs_no_token() -> None:
    """They may do what `ui.scopes` says; their name is told, and is no token's."""
    async with asking(BEHIND_PROXY, token=None) as http:
        status, told = await who(http, ALICE)
        assert (status, told["name"], told["scopes"]) == (200, "proxy:alice@example.org", ["read", "dispatch"])
        async with http.post("/v1/reload", headers={**ALICE, PAGE_HEADER: "1"}) as refused:
            assert refused.status == 403
        async with http.post("/v1/agents/greeter/pause", headers={**ALICE, PAGE_HEADER: "1"}) as paused:
            assert (await paused.json())["paused"]["by"] == "proxy:alice@example.org"


@pytest.mark.parametrize(
    ("ui", "headers"),
    [
        (Ui(), ALICE),
        (replace(BEHIND_PROXY, proxies=(ip_network("10.0.0.0/8"), ip_network("::1/128"))), ALICE),
        (BEHIND_PROXY, {}),
        (BEHIND_PROXY, {USER: " "}),
        (BEHIND_PROXY, {**ALICE, "Authorization": "Bearer wrong"}),
    ],
)
async def test_nobody_else_is_believed(ui: Ui, headers: Mapping[str, str]) -> None:
    """Not without the setting, not from another address, not without a name, not with a wrong token beside it."""
    async with asking(ui) as http:
        assert (await who(http, headers))[0] == 401


async def test_a_name_that_came_twice_is_nobodys() -> None:
    """Somebody has sent one before the proxy added its own."""
    async with asking(BEHIND_PROXY) as http:
        twice = [(USER, "mallory"), (USER, "alice")]
        async with http.get("/v1/whoami", headers=twice) as answer:
            assert answer.status == 401


async def test_another_sites_page_orders_nothing() -> None:
    """A browser would send what signs the user in at the proxy; it cannot send our header."""
    async with asking(BEHIND_PROXY) as http, http.post("/v1/agents/greeter/pause", headers=ALICE) as refused:
        assert refused.status == 403
        assert PAGE_HEADER in (await refused.json())["detail"]


async def test_a_long_name_is_cut_and_an_odd_one_written_out() -> None:
    """What the timeline and the log get is no longer than a token's name."""
    async with asking(BEHIND_PROXY) as http:
        _, told = await who(http, {USER: "a" * 500})
        assert str(told["name"]).startswith("proxy:" + "a" * USER_MAX)
        assert len(str(told["name"])) <= 64
        async with http.get("/v1/whoami", headers={USER: "a\u202eb"}) as answer:
            assert (await answer.json())["name"] == "proxy:a\\u202eb"
