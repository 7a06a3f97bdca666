"""axe-core finds nothing to complain of, in any view, light or dark, wide or narrow."""

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.browser.browsing import DESK, PHONE, Scheme, Tab, browser, tab
from tests.browser.scenes import recovered, starved

pytestmark = pytest.mark.real


async def violations(shown: Tab) -> list[str]:
    """What axe-core finds, with where it is."""
    found = await Axe().run(shown.page)
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found.response["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("narrow", [False, True])
async def test_every_view_is_accessible(scheme: Scheme, *, narrow: bool) -> None:
    """The sign-in, the whole, a room, a dialog."""
    size = PHONE if narrow else DESK
    async with starved() as here, browser() as chromium:
        room = await recovered(here)
        url = f"{here.service.admin_url}/ui"
        async with tab(chromium, url, token=None, size=size, scheme=scheme) as shown:
            await shown.page.get_by_label("API token").wait_for()
            assert await violations(shown) == []
            await shown.sign_in()
            await shown.shows("Who waits now")
            assert await violations(shown) == []
        async with tab(chromium, f"{url}/rooms/{room}", size=size, scheme=scheme) as shown:
            await shown.shows("In words")
            assert await violations(shown) == []
            await shown.page.get_by_role("button", name="Cancel: support-line").click()
            await shown.page.get_by_role("dialog").wait_for()
            assert await violations(shown) == []
