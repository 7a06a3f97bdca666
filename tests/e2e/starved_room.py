"""`python -m tests.e2e.starved_room`: writes docs/starved-room.md and its pictures anew, from one run."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp

from tests.browser.browsing import browser
from tests.browser.screenshots import Shot, Site, take
from tests.integration.starved_room import output, starved_room, write
from tests.real.prometheus import scraping

ALERT: Final = "DispatcherAssignmentStarved"
PICTURES: Final = (Shot("starved-room-whole", "ui"), Shot("starved-room", "ui/rooms/lobby"))


async def fired(url: str, within: float = 120.0) -> str:
    """The alert as Prometheus tells it, once it fires."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(within):
        while True:
            async with http.get(f"{url}/api/v1/alerts") as answer:
                alerts: list[dict[str, Any]] = json.loads(await answer.text())["data"]["alerts"]
            for one in alerts:
                if one["labels"]["alertname"] == ALERT and one["state"] == "firing":
                    return json.dumps(one, indent=2) + "\n"
            await asyncio.sleep(0.5)


async def main() -> None:
    """All of it."""
    with TemporaryDirectory() as folder:
        async with starved_room() as (here, ops):
            blocks = await output(here, ops)
            async with browser() as chromium:
                for shot in PICTURES:
                    await take(chromium, Site(here.service.admin_url), shot)
            with scraping(here, Path(folder)) as url:
                write({**blocks, "The alert": await fired(url)})


if __name__ == "__main__":
    asyncio.run(main())
