"""The page when things go wrong: the service restarts, the token ends, the network is slow, the API is off."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from playwright.async_api import Route

from dispatcher.app import Service, running
from dispatcher.config import Config, Secret
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit
from tests.browser.browsing import browser, tab
from tests.browser.scenes import healthy, staged
from tests.integration.house import config, rule

pytestmark = pytest.mark.real


@asynccontextmanager
async def serving(settings: Config, livekit: FakeLiveKit) -> AsyncIterator[Service]:
    """The service runs."""
    async with running(settings, Log(lambda _line: None, time.time), version="test") as service:
        livekit.webhook_url = f"{service.url}/webhook"
        yield service


async def test_a_service_that_restarts_is_waited_for() -> None:
    """The page says since when there is no answer, keeps what it knows, and goes on by itself."""
    async with FakeLiveKit() as livekit, browser() as chromium:
        livekit.workers.register("greeter")
        settings = config(livekit.url, rule("greeter"))
        async with serving(settings, livekit) as service:
            port = int(service.url.rpartition(":")[2])
            await livekit.rooms.join("lobby", "alice")
            opened = tab(chromium, f"{service.admin_url}/ui")
            shown = await opened.__aenter__()
            await shown.page.get_by_role("link", name="lobby").first.wait_for()
        await shown.shows("The service does not answer, since")
        assert "lobby" in await shown.text()
        async with serving(replace(settings, port=port), livekit):
            await livekit.rooms.join("later", "bob")
            await shown.page.get_by_role("link", name="later").first.wait_for()
            assert "does not answer" not in await shown.text()
            await opened.__aexit__(None, None, None)


async def test_a_token_that_is_none_any_more_leads_back_to_the_door() -> None:
    """The tab forgets it, and says why; a new one opens the same view again."""
    async with FakeLiveKit() as livekit, browser() as chromium:
        settings = config(livekit.url, rule("greeter"))
        async with serving(settings, livekit) as service:
            port = int(service.url.rpartition(":")[2])
            opened = tab(chromium, f"{service.admin_url}/ui/rooms/lobby")
            shown = await opened.__aenter__()
            await shown.shows("No room of that name is known")
        rotated = replace(settings, port=port, api_token=Secret("another-token"))
        async with serving(rotated, livekit):
            await shown.shows("The service does not take this token any more.")
            assert await shown.page.evaluate("sessionStorage.length") == 0
            await shown.sign_in("wrong")
            await shown.shows("The service does not take this token.")
            await shown.sign_in("another-token")
            await shown.shows("No room of that name is known")
            await opened.__aexit__(None, None, None)


async def test_a_slow_network_shows_what_is_known_and_asks_once_at_a_time() -> None:
    """Answers that take two seconds pile up nowhere, and the page stays usable."""
    under_way, most = 0, 0

    async def slowly(route: Route) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(2)
        await route.continue_()
        under_way -= 1

    async with (
        healthy() as here,
        browser() as chromium,
        tab(chromium, f"{here.service.admin_url}/ui", token=None) as shown,
    ):
        await shown.page.route("**/v1/**", slowly)
        await shown.sign_in()
        await shown.shows("Asking who you are")
        await shown.shows("Nobody waits")
        await asyncio.sleep(6)
        assert most <= 5
        await shown.page.unroute_all(behavior="ignoreErrors")


async def test_without_a_token_the_page_says_how_to_have_one() -> None:
    """The API is off, and the page shows nothing else."""
    async with (
        FakeLiveKit() as livekit,
        browser() as chromium,
        serving(config(livekit.url, rule("greeter"), token=None), livekit) as service,
        tab(chromium, f"{service.admin_url}/ui", token=None) as shown,
    ):
        await shown.shows("The API is off")


async def test_webhooks_that_never_come_are_told_of_with_what_to_look_at() -> None:
    """The sweep finds the rooms, and LiveKit's URL is another service's."""
    async with staged() as here, browser() as chromium:
        here.livekit.faults.lose_webhooks(100)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("room.found", room="lobby", within=10)
        async with tab(chromium, f"{here.service.admin_url}/ui") as shown:
            await shown.shows("No webhook of LiveKit has ever come, and a room was found by the sweep")
            await shown.shows("name this service's /webhook?")


async def test_a_livekit_that_is_away_is_told_of() -> None:
    """Beside its name, and in a sentence."""
    async with staged() as here, browser() as chromium:
        await here.livekit.stop_api()
        async with tab(chromium, f"{here.service.admin_url}/ui") as shown:
            await shown.shows("LiveKit has not answered")
            incoming = shown.page.get_by_role("region", name="What comes in")
            assert "does not answer" in await incoming.inner_text()
