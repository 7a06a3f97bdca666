"""An alert comes: the page names the cause, as docs/incidents.md says. tests/integration has notice and commands."""

import asyncio
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.browser.browsing import Tab, browser, tab
from tests.integration.house import House
from tests.integration.incidents import INCIDENTS, SITUATIONS, room_of
from tests.integration.situations import NOBODY
from tests.real.prometheus import asked, need_prometheus, scraping

pytestmark = pytest.mark.real

MORE = 5  # rooms: each that starves is tried again and again
PATIENCE_S = 60.0  # for what a loaded machine does in three


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skips the test without Prometheus; fails it where CI is set."""
    need_prometheus()


async def alerted(here: House, url: str, alert: str) -> None:
    """Prometheus has the alert, at least as one that fires if it goes on, while some more people come."""
    coming = [f"one-more-{number}" for number in range(MORE)]
    async with asyncio.timeout(PATIENCE_S):
        while not await asked(url, f'ALERTS{{alertname="{alert}"}}'):
            if coming:
                await here.livekit.rooms.join(coming.pop(), "bob")
            await asyncio.sleep(2)


async def says(shown: Tab, patterns: list[str]) -> None:
    """All of them are to be read, soon."""
    text = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not all(re.search(pattern, text) for pattern in patterns):
                await asyncio.sleep(0.2)
                text = await shown.text()
    except TimeoutError:
        raise AssertionError(f"{patterns} are not all in {text}") from None


@pytest.mark.parametrize("name", INCIDENTS)
async def test_the_alert_comes_and_the_page_says_why(name: str, tmp_path: Path) -> None:
    """At once in the whole, and in the view of the room."""
    one = INCIDENTS[name]
    async with SITUATIONS[name](NOBODY) as here, browser() as chromium:
        if one.alert:
            with scraping(here, tmp_path) as url:
                await alerted(here, url, one.alert)
        page = f"{here.service.admin_url}/ui"
        async with tab(chromium, page) as shown:
            await says(shown, one.patterns("the page"))
        async with tab(chromium, f"{page}/rooms/{quote(room_of(None, here.lines), safe='')}") as shown:
            await says(shown, one.patterns("`explain`"))
