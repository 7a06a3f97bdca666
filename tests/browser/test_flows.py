"""What an operator does with the page: sees who waits, looks into a room, orders something."""

import pytest
from msgspec.structs import replace

from dispatcher.app import running
from dispatcher.config import ApiToken, ProbeSettings, Secret
from dispatcher.core.rules import Target
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, JobOutcome
from tests.browser.browsing import PHONE, browser, tab
from tests.browser.scenes import ROOMS, healthy, recovered, staged, starved
from tests.integration.house import config, house, rule
from tests.integration.test_splits import split

pytestmark = pytest.mark.real

READER = "a-token-that-may-only-read"


async def test_whoever_waits_is_seen_first_with_the_likeliest_cause() -> None:
    """Those who have waited longest come first; an open breaker and a pause stand at their agents."""
    async with starved() as here, browser() as chromium, tab(chromium, f"{here.service.admin_url}/ui") as shown:
        await shown.shows("3 rooms wait for an agent")
        lines = shown.page.get_by_role("region", name="Who waits now").get_by_role("row")
        first, second, third = [await lines.nth(number).inner_text() for number in (1, 2, 3)]

        assert all(words in first for words in ("sales-4711", "starved", "The worker of `overflow` said no"))
        assert "sales-0815" in second
        assert "night-7" in third
        assert "paused" in third
        agents = shown.page.get_by_role("region", name="Agents")
        assert "breaker open" in await agents.get_by_role("listitem").filter(has_text="sales").inner_text()
        assert "deploy of the night desk" in await agents.inner_text()


async def test_probes_in_vain_and_a_side_that_is_taken_out_stand_at_their_agents() -> None:
    """With the cause, and with a button that resumes what was taken out."""
    probe = ProbeSettings(targets=(Target("greeter"), Target("sales")))
    async with house(split(), rule("sales", name="sales", kinds=frozenset({"SIP"})), probe=probe) as here:
        here.livekit.workers.register("greeter")
        for number in range(60):
            await here.livekit.rooms.join(f"room-{number}", "alice")
        await here.told("split.stopped", within=20, agent="next")
        await here.told("probe.failed", within=20, agent="sales")
        await here.told("probe.served", within=20, agent="greeter")
        async with browser() as chromium, tab(chromium, f"{here.service.admin_url}/ui") as shown:
            agents = shown.page.get_by_role("region", name="Agents").get_by_role("listitem")
            await shown.shows("taken out of the split of default")
            out = agents.filter(has_text="taken out of the split")
            assert await out.get_by_role("button", name="Resume: next").count() == 1
            assert "a probe in vain" in await agents.filter(has_text="No worker took the job").inner_text()
            assert "probed: 0." in await agents.filter(has_text="probed").inner_text()


async def test_where_nobody_waits_the_page_says_so() -> None:
    """In its first sentence, and there is no list of those who wait."""
    async with healthy() as here, browser() as chromium, tab(chromium, here.service.admin_url) as shown:
        await shown.shows("Nobody waits for an agent")

        assert await shown.page.get_by_role("region", name="Who waits now").count() == 0


async def test_a_room_is_told_in_words_and_as_a_picture() -> None:
    """A lane for each person, each assignment and each attempt; the parts of the time come to its sum."""
    async with staged() as here, browser() as chromium:
        room = await recovered(here)
        async with tab(chromium, f"{here.service.admin_url}/ui/rooms/{room}") as shown:
            picture = shown.page.get_by_role("region", name="What happened when")
            await picture.get_by_role("listitem").first.wait_for()
            lanes = await picture.get_by_role("listitem").all_inner_texts()
            told = " ".join(lanes)

            assert all(name in told for name in ("erin", "frank", "support-line", "translator, ordered"))
            assert "no worker took the job" in told
            assert "the agent's process was lost" in told
            assert "environment ordered translator" in await picture.inner_text()
            assert "until the first agent was there" in await shown.text()
            assert "greeter is in the room (attempt 3)" in await shown.text()


async def test_an_order_is_carried_out_once_it_is_confirmed() -> None:
    """A worker says yes by now: the operator has the room tried again, and it is served."""
    async with starved() as here, browser() as chromium:
        url = f"{here.service.admin_url}/ui/rooms/sales-4711"
        async with tab(chromium, url) as shown:
            await shown.shows("No agent")
            here.livekit.workers.register("overflow", JobOutcome.SERVES)
            here.livekit.workers.register("sales", JobOutcome.SERVES)
            await shown.page.get_by_role("button", name="Try again").click()
            dialog = shown.page.get_by_role("dialog")
            await dialog.get_by_role("button", name="Leave it as it is").click()
            await dialog.wait_for(state="detached")
            assert "assignment.retried" not in here.said("sales-4711")

            await shown.page.get_by_role("button", name="Try again").click()
            await dialog.get_by_role("button", name="Try again").click()
            await here.told("assignment.retried", room="sales-4711")
            await shown.shows("It is tried again.")
            await shown.shows("Served: ")


async def test_an_assignment_is_cancelled_once_it_is_confirmed() -> None:
    """Its agent goes, and no other one comes; nothing is sent before the confirmation."""
    address = "ui/rooms/help-1"
    async with healthy() as here, browser() as chromium, tab(chromium, f"{here.service.admin_url}/{address}") as shown:
        await shown.shows("Served: ")
        await shown.page.get_by_role("button", name="Cancel: support-line").click()
        dialog = shown.page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Leave it as it is").click()
        await dialog.wait_for(state="detached")
        assert "assignment.cancelled" not in here.said("help-1")

        await shown.page.get_by_role("button", name="Cancel: support-line").click()
        await dialog.get_by_role("button", name="Cancel the assignment").click()
        await here.told("assignment.cancelled", room="help-1", by="environment", within=20)
        await shown.shows("It is cancelled.")
        await here.livekit.wait_until(lambda: not here.livekit.rooms.agents_in("help-1"), within=20)
        await shown.shows("environment cancelled support-line")


async def test_an_agents_last_hour_is_shown_as_the_api_tells_it() -> None:
    """How often it came and failed, by the minute, and how soon; nothing but the API is asked."""
    async with healthy() as here, browser() as chromium, tab(chromium, here.service.admin_url, token=None) as shown:
        asked: list[str] = []
        shown.page.on("request", lambda request: asked.append(request.url))
        await shown.sign_in()
        agent = shown.page.get_by_role("region", name="Agents").get_by_role("listitem").filter(has_text="greeter")
        await agent.get_by_text(f"{ROOMS // 2} served, 0 failed in the last hour").wait_for()
        assert "95 of 100 after" in await agent.inner_text()
        assert await agent.get_by_role("img").count() == 2
        assert [url for url in asked if "/v1/" not in url] == []


async def test_an_agent_is_paused_and_resumed() -> None:
    """For how long, and why, stands at the agent; the one who ordered it is the token's owner."""
    async with healthy() as here, browser() as chromium, tab(chromium, f"{here.service.admin_url}/ui") as shown:
        await shown.page.get_by_role("button", name="Pause: greeter").click()
        dialog = shown.page.get_by_role("dialog")
        await dialog.get_by_label("Why").fill("a deploy")
        await dialog.get_by_role("button", name="Pause the agent").click()
        await shown.shows("greeter is paused.")
        await shown.shows("a deploy")
        told = await here.told("agent.paused", agent="greeter")
        assert told["by"] == "environment"

        await shown.page.get_by_role("button", name="Resume: greeter").click()
        await dialog.get_by_role("button", name="Resume the agent").click()
        await here.told("agent.resumed", agent="greeter")


async def test_a_token_that_may_only_read_is_shown_no_orders() -> None:
    """Neither at agents nor in a room."""
    reader = ApiToken(name="reader", token=Secret(READER), scopes=frozenset({"read"}))
    async with FakeLiveKit() as livekit, browser() as chromium:
        livekit.workers.register("greeter")
        settings = replace(config(livekit.url, rule("greeter")), api_tokens=(reader,))
        async with running(settings, Log(lambda _line: None, lambda: 0.0), version="test") as service:
            livekit.webhook_url = f"{service.url}/webhook"
            await livekit.rooms.join("lobby", "alice")
            async with tab(chromium, f"{service.admin_url}/ui", token=READER) as shown:
                await shown.page.get_by_role("link", name="lobby").first.click()
                await shown.shows("In words")
                assert await shown.page.get_by_role("main").get_by_role("button").count() == 0


async def test_everything_can_be_done_with_the_keyboard() -> None:
    """Search, Enter, the room's heading has the focus; an order's dialog takes it and gives it back."""
    async with healthy() as here, browser() as chromium, tab(chromium, f"{here.service.admin_url}/ui") as shown:
        keys = shown.page.keyboard
        await shown.shows("Nobody waits")
        await shown.page.get_by_role("searchbox").focus()
        await keys.type("help-1")
        await keys.press("Enter")
        await shown.shows("In words")
        assert await shown.page.evaluate("document.activeElement.tagName") == "H1"

        button = shown.page.get_by_role("button", name="Look now")
        await button.focus()
        await keys.press("Enter")
        await shown.page.get_by_role("dialog").wait_for()
        await keys.press("Escape")
        await shown.page.get_by_role("dialog").wait_for(state="detached")
        assert await button.evaluate("one => one === document.activeElement")


async def test_the_list_of_rooms_is_narrowed_by_what_is_typed_and_by_state() -> None:
    """The service searches, so a room that is not on the page's first hundred is found."""
    async with starved() as here, browser() as chromium, tab(chromium, f"{here.service.admin_url}/ui") as shown:
        rooms = shown.page.get_by_role("region", name="Rooms")
        await rooms.get_by_label("State").select_option("starved")
        await rooms.get_by_role("row").filter(has_text="help-1").wait_for(state="detached")
        for name in ("sales-4711", "sales-0815"):  # each as soon as it starves
            await rooms.get_by_role("link", name=name).wait_for()
        assert await rooms.get_by_role("row").filter(has_text="served").count() == 0


async def test_a_phone_shows_all_of_it_without_scrolling_sideways() -> None:
    """Nothing is wider than the screen, neither of the whole nor of a room."""
    async with starved() as here, browser() as chromium:
        for path in ("ui", "ui/rooms/sales-4711"):
            async with tab(chromium, f"{here.service.admin_url}/{path}", size=PHONE) as shown:
                await shown.page.locator("section.panel").first.wait_for()
                wide = await shown.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= PHONE["width"]


async def test_what_happens_is_shown_as_it_happens() -> None:
    """By the service's events: long before the page would ask by itself."""
    async with healthy() as here, browser() as chromium, tab(chromium, f"{here.service.admin_url}/ui") as shown:
        await shown.is_live()
        await here.livekit.rooms.join("lobby-new", "zoe")
        await shown.page.get_by_role("link", name="lobby-new").first.wait_for(timeout=5_000)
        await shown.page.get_by_role("link", name="lobby-new").first.click()
        await shown.shows("greeter is in the room")
        await here.livekit.rooms.leave("lobby-new", "zoe")
        await here.livekit.rooms.close("lobby-new")
        await shown.page.get_by_text("The room has ended.", exact=True).wait_for(timeout=5_000)
