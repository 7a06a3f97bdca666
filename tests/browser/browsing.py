"""A real browser: Debian's Chromium, driven by Playwright; and what the page must never do in it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright

from tests.integration.house import TOKEN
from tests.real.debian import CHROMIUM

Scheme: TypeAlias = Literal["light", "dark"]

DESK: Final = ViewportSize(width=1280, height=800)
PHONE: Final = ViewportSize(width=360, height=740)
PATIENCE: Final = 15_000.0  # ms that the page has for anything: a loaded machine is slow
WATCHED: Final = """
window.violations = [];
document.addEventListener('securitypolicyviolation', one => {
  window.violations.push(`${one.violatedDirective} ${one.blockedURI}`);
});
"""


@dataclass
class Tab:
    """A tab of the browser, and what it complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def sign_in(self, token: str = TOKEN) -> None:
        """The user has typed a token; the page may take it or not."""
        await self.page.get_by_label("API token").fill(token)
        await self.page.get_by_role("button", name="Sign in").click()

    async def shows(self, text: str, *, within: float = PATIENCE) -> None:
        """The text is to be seen, soon."""
        await self.page.get_by_text(text).first.wait_for(timeout=within)

    async def is_live(self) -> None:
        """The page hears events, and says so."""
        await self.page.get_by_text("Live", exact=True).wait_for()

    async def text(self) -> str:
        """All that is to be read."""
        shown: str = await self.page.inner_text("body")
        return shown


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Chromium runs. A machine without it skips the test; CI does not."""
    if not CHROMIUM.binary.exists():
        if "CI" in os.environ:
            pytest.fail("Chromium is missing: python -m tests.real.debian chromium")
        pytest.skip("python -m tests.real.debian chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=CHROMIUM.binary,
            env={**os.environ, **CHROMIUM.environment()},
            args=["--no-sandbox"],  # root in a container has no sandbox
        )
        try:
            yield launched
        finally:
            await launched.close()


@asynccontextmanager
async def tab(
    chromium: Browser, url: str, *, token: str | None = TOKEN, size: ViewportSize = DESK, scheme: Scheme = "light"
) -> AsyncIterator[Tab]:
    """The page is open at `url`, with a token typed in. At the end it has broken none of its own policies."""
    context = await chromium.new_context(viewport=size, color_scheme=scheme)
    await context.add_init_script(WATCHED)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE)
    shown = Tab(page)

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:  # a service that is away
            shown.complaints.append(message.text)

    page.on("console", said)
    page.on("pageerror", lambda error: shown.complaints.append(str(error)))
    await page.goto(url)
    if token is not None:
        await shown.sign_in(token)
    yield shown
    assert await page.evaluate("window.violations") == []
    assert shown.complaints == []
    await context.close()
