"""Names that somebody chose to harm whoever looks: of rooms, people and agents, and reasons. Text stays text."""

from typing import Final
from urllib.parse import quote

import pytest

from dispatcher.core.text import visible
from dispatcher.testing import FakeLiveKit
from tests.browser.browsing import browser, tab
from tests.browser.scenes import ordered
from tests.integration.house import house, rule

pytestmark = pytest.mark.real

CORPUS: Final = (
    "<script>window.harmed = 1</script>",
    "<img src=x onerror=window.harmed=1>",
    '"><svg onload=window.harmed=1>',
    "' autofocus onfocus=window.harmed=1 x='",
    "javascript:window.harmed=1",
    "${window.harmed=1}{{window.harmed=1}}",
    "</textarea></title></style><iframe srcdoc='<script>parent.harmed=1</script>'>",
    "__proto__",
    "constructor",
    "a/../../v1/sweep",
    "?room=other#here",
    "%2e%2e%2f%00",
    "..",
    "\u202eevil\u200b\u0007\x1b[31m",
    "line\nend\r\n<b>bold</b>",
    "\U0001f512 ünïcödé 部屋",
    "x" * 200,
)


@pytest.mark.parametrize("name", CORPUS, ids=range(len(CORPUS)))
async def test_a_name_is_shown_as_text_and_its_room_is_found(name: str) -> None:
    """In the list and in the room's own view, by its link and by its address; nothing of it is carried out."""
    async with FakeLiveKit() as livekit, browser() as chromium, house(rule("greeter"), livekit=livekit) as here:
        livekit.workers.register("greeter")
        await livekit.rooms.join(name, name)
        await here.told("agent.joined", within=10)
        await ordered(here, "POST", "/v1/agents/greeter/pause", {"reason": name})
        url = f"{here.service.admin_url}/ui"
        async with tab(chromium, url) as shown:
            await shown.page.get_by_role("region", name="Rooms").get_by_role("row").nth(1).get_by_role("link").click()
            await shown.shows("greeter is in the room")
            assert not await shown.page.evaluate("window.harmed")
            assert await shown.page.evaluate("document.scripts.length") == 1
            assert not await shown.page.evaluate("'evil' in Object.prototype || Object.prototype.q !== undefined")
        address = f"{url}/rooms?room=.." if name == ".." else f"{url}/rooms/{quote(name, safe='')}"
        async with tab(chromium, address) as shown:
            await shown.shows("greeter is in the room")
            assert not await shown.page.evaluate("window.harmed")


@pytest.mark.parametrize("name", CORPUS, ids=range(len(CORPUS)))
async def test_an_agents_name_is_shown_as_text_and_the_agent_is_paused(name: str) -> None:
    """Where it is listed, in the question before the order, in what is told of it, and in the cause of a wait."""
    async with FakeLiveKit() as livekit, browser() as chromium, house(rule(name, attempts=1), livekit=livekit) as here:
        await livekit.rooms.join("lobby", "alice")
        await here.told("assignment.starved", agent=name, within=20)
        async with tab(chromium, f"{here.service.admin_url}/ui") as shown:
            await shown.shows("Who waits now")
            agents = shown.page.get_by_role("region", name="Agents")
            assert visible(name) in await agents.get_by_role("heading", level=3).inner_text()
            if name != "..":  # a browser takes it for another folder, so the page has no button for it
                await agents.get_by_role("button", name="Pause: ").click()
                dialog = shown.page.get_by_role("dialog")
                await dialog.get_by_role("button", name="Pause the agent").click()
                if name.isprintable():
                    await here.told("agent.paused", agent=name, within=20)
                else:
                    await shown.shows("The service refused it: agent: write the name your agent registers under")
                    await dialog.get_by_role("button", name="Leave it as it is").click()
                await dialog.wait_for(state="detached")
            await shown.page.get_by_role("link", name="lobby").first.click()
            await shown.shows("In words")
            assert not await shown.page.evaluate("window.harmed")
            assert await shown.page.evaluate("document.scripts.length") == 1
