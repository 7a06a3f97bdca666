"""`python -m tests.browser.screenshots [NAME…]`: docs/page/*.png are made anew, in the situations of `scenes`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import Struct
from PIL import Image
from playwright.async_api import Browser

from tests.browser.browsing import DESK, PHONE, Scheme, browser, tab
from tests.browser.launching import launching
from tests.browser.scenes import healthy, recovered, staged, starved
from tests.integration.house import TOKEN
from tests.launcher.launched import API_TOKEN

FOLDER: Final = Path(__file__).parents[2] / "docs" / "page"
AGAIN_S: Final = 1.5  # until the page has asked a second time
COLOURS: Final = 256  # as many as a PNG has by number


class Shot(Struct, frozen=True):
    """One picture: its name, and what is looked at."""

    name: str
    path: str
    scheme: Scheme = "light"
    narrow: bool = False


class Site(Struct, frozen=True):
    """Where the page is, and who may look at it."""

    url: str
    token: str = TOKEN
    launch: str = ""  # the path of a launch


@asynccontextmanager
async def nobody_waits() -> AsyncIterator[Site]:
    """As in `healthy`."""
    async with healthy() as here:
        yield Site(here.service.admin_url)


@asynccontextmanager
async def some_wait() -> AsyncIterator[Site]:
    """As in `starved`."""
    async with starved() as here:
        yield Site(here.service.admin_url)


@asynccontextmanager
async def one_room() -> AsyncIterator[Site]:
    """The room of `recovered`."""
    async with staged() as here:
        await recovered(here)
        yield Site(here.service.admin_url)


@asynccontextmanager
async def launches() -> AsyncIterator[Site]:
    """As in `launching`; one of them has written something."""
    with TemporaryDirectory() as folder:
        async with launching(Path(folder)) as here:
            listed = (await here.get("/v1/launches"))["launches"]
            [bot] = [one["id"] for one in listed if one["launcher"] == "bot"]
            yield Site(here.launcher.url, API_TOKEN, f"ui/launches/{bot}")


SCENES: Final[dict[str, tuple[Callable[[], AbstractAsyncContextManager[Site]], Sequence[Shot]]]] = {
    "healthy": (nobody_waits, [Shot("healthy", "ui"), Shot("healthy-dark", "ui", "dark")]),
    "starved": (
        some_wait,
        [
            Shot("starved", "ui"),
            Shot("starved-dark", "ui", "dark"),
            Shot("starved-narrow", "ui", narrow=True),
            Shot("room-starved", "ui/rooms/sales-4711"),
        ],
    ),
    "room": (
        one_room,
        [
            Shot("room", "ui/rooms/help-desk"),
            Shot("room-dark", "ui/rooms/help-desk", "dark"),
            Shot("room-narrow", "ui/rooms/help-desk", narrow=True),
        ],
    ),
    "launches": (
        launches,
        [
            Shot("launches", "ui"),
            Shot("launches-dark", "ui", "dark"),
            Shot("launches-narrow", "ui", narrow=True),
            Shot("launch", ""),
        ],
    ),
}


async def main(names: Sequence[str]) -> None:
    """Take the pictures of these scenes."""
    FOLDER.mkdir(exist_ok=True)
    async with browser() as chromium:
        for name in names:
            scene, shots = SCENES[name]
            async with scene() as site:
                for shot in shots:
                    await take(chromium, site, shot)


async def take(chromium: Browser, site: Site, shot: Shot) -> None:
    """The picture is in docs/page."""
    address = f"{site.url}/{shot.path or site.launch}"
    size = PHONE if shot.narrow else DESK
    async with tab(chromium, address, token=site.token, size=size, scheme=shot.scheme) as shown:
        await shown.page.locator("section.panel").first.wait_for()
        if not site.launch:
            await shown.is_live()
        await asyncio.sleep(AGAIN_S)
        taken = await shown.page.screenshot(full_page=True)
    picture = Image.open(BytesIO(taken)).quantize(COLOURS, Image.Quantize.MAXCOVERAGE)  # else rare ones turn grey
    picture.save(FOLDER / f"{shot.name}.png", optimize=True)
    sys.stdout.write(f"{shot.name}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or list(SCENES)))
