"""`python -m tests.browser.screenshots [NAME…]`: docs/page/*.png are made anew, in the situations of `scenes`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

from msgspec import Struct
from PIL import Image
from playwright.async_api import Browser

from tests.browser.browsing import DESK, PHONE, Scheme, browser, tab
from tests.browser.scenes import healthy, recovered, staged, starved
from tests.integration.house import House

FOLDER: Final = Path(__file__).parents[2] / "docs" / "page"
AGAIN_S: Final = 1.5  # until the page has asked a second time
COLOURS: Final = 256  # as many as a PNG has by number


class Shot(Struct, frozen=True):
    """One picture: its name, and what is looked at."""

    name: str
    path: str
    scheme: Scheme = "light"
    narrow: bool = False


@asynccontextmanager
async def one_room() -> AsyncIterator[House]:
    """The room of `recovered`."""
    async with staged() as here:
        await recovered(here)
        yield here


SCENES: Final[dict[str, tuple[Callable[[], AbstractAsyncContextManager[House]], Sequence[Shot]]]] = {
    "healthy": (healthy, [Shot("healthy", "ui"), Shot("healthy-dark", "ui", "dark")]),
    "starved": (
        starved,
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
}


async def main(names: Sequence[str]) -> None:
    """Take the pictures of these scenes."""
    FOLDER.mkdir(exist_ok=True)
    async with browser() as chromium:
        for name in names:
            scene, shots = SCENES[name]
            async with scene() as here:
                for shot in shots:
                    await _take(chromium, here, shot)


async def _take(chromium: Browser, here: House, shot: Shot) -> None:
    address = f"{here.service.admin_url}/{shot.path}"
    async with tab(chromium, address, size=PHONE if shot.narrow else DESK, scheme=shot.scheme) as shown:
        await shown.page.locator("section.panel").first.wait_for()
        await shown.is_live()
        await asyncio.sleep(AGAIN_S)
        taken = await shown.page.screenshot(full_page=True)
    Image.open(BytesIO(taken)).quantize(COLOURS).save(FOLDER / f"{shot.name}.png", optimize=True)
    sys.stdout.write(f"{shot.name}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or list(SCENES)))
