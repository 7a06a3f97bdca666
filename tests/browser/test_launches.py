"""A launcher's page: what it has started, each launch with its log, and how one is stopped."""

import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.config import ApiToken, Secret
from tests.browser.browsing import PHONE, Scheme, browser, tab
from tests.browser.launching import launching
from tests.browser.test_accessibility import violations
from tests.browser.test_hostile_names import CORPUS
from tests.launcher.launched import API_TOKEN, alive, avatar, stage, token

pytestmark = pytest.mark.real

READER = "a-token-that-may-only-read"


async def test_launches_are_shown_with_how_they_stand(tmp_path: Path) -> None:
    """Those that run, with process, memory and how soon they were there; those that have ended, with why."""
    async with (
        launching(tmp_path) as here,
        browser() as chromium,
        tab(chromium, here.launcher.url, token=API_TOKEN) as shown,
    ):
        await shown.shows("3 launches run, 10 places are free")
        rows = shown.page.get_by_role("region", name="Run now").get_by_role("row")
        await rows.nth(3).wait_for()
        first, second, third = [await rows.nth(number).inner_text() for number in (1, 2, 3)]
        [run] = [one for one in (await here.get("/v1/launches"))["launches"] if one["room"] == "lobby"]
        assert all(text in first for text in ("avatar", "lobby", "in its room", str(run["pid"]), "MiB", "Stop"))
        assert all(text in second for text in ("bot", "sales-4711", "in its room"))
        assert all(text in third for text in ("slow", "help-1", "starting"))

        ended = await shown.page.get_by_role("region", name="Ended lately").get_by_role("row").all_inner_texts()
        assert len(ended) == 3
        assert any("translator" in row and "ended by itself, with an error: exit code 3" in row for row in ended)
        assert any("sales-4711" in row and "somebody stopped it" in row for row in ended)


async def test_a_launch_is_looked_into_and_stopped(tmp_path: Path) -> None:
    """Its log is there without anything typed; it ends once that is confirmed, and its own address shows how."""
    async with launching(tmp_path) as here, browser() as chromium:
        [bot] = [one for one in (await here.get("/v1/launches"))["launches"] if one["launcher"] == "bot"]
        async with tab(chromium, f"{here.launcher.url}/ui", token=API_TOKEN) as shown:
            await shown.page.get_by_role("link", name=bot["id"][:8]).click()
            await shown.shows("arguments ['telling']")
            assert "it has not joined" not in await shown.text()
            await shown.page.get_by_role("button", name="Stop: ").click()
            dialog = shown.page.get_by_role("dialog")
            await dialog.get_by_role("button", name="Leave it as it is").click()
            await dialog.wait_for(state="detached")
            assert (await here.get(f"/v1/launches/{bot['id']}"))["state"] == "joined"

            await shown.page.get_by_role("button", name="Stop: ").click()
            await dialog.get_by_role("button", name="Stop it").click()
            await shown.shows("It has ended.")
            await shown.shows("somebody stopped it")
            assert not alive(bot["id"])
            assert await shown.page.get_by_role("button", name="Stop: ").count() == 0
            await shown.page.get_by_role("link", name="All launches").click()
            await shown.shows("2 launches run")
        async with tab(chromium, f"{here.launcher.url}/ui/launches/{bot['id']}", token=API_TOKEN) as shown:
            await shown.shows("arguments ['telling']")
            await shown.shows("somebody stopped it")
        async with tab(chromium, f"{here.launcher.url}/ui/launches/{'0' * 32}", token=API_TOKEN) as shown:
            await shown.shows("No launch has this id, or it ended long ago.")


async def test_what_happens_is_shown_soon(tmp_path: Path) -> None:
    """A launch that begins while somebody looks, and that all places are taken."""
    async with (
        stage(tmp_path, avatar(limit=1)) as here,
        browser() as chromium,
        tab(chromium, here.launcher.url, token=API_TOKEN) as shown,
    ):
        await shown.shows("Nothing runs.")
        await here.until(await here.launch(), "joined")
        await shown.shows("1 launch runs, and no place is free: who asks for more is answered 503")


async def test_a_token_that_may_only_read_is_shown_no_button(tmp_path: Path) -> None:
    """Neither in the list nor in the launch."""
    reader = ApiToken(name="reader", token=Secret(READER), scopes=frozenset({"read"}))
    async with stage(tmp_path, api_tokens=(reader,)) as here, browser() as chromium:
        launch = await here.launch()
        async with tab(chromium, here.launcher.url, token=READER) as shown:
            await shown.page.get_by_role("link", name=launch[:8]).click()
            await shown.shows("What it wrote")
            assert await shown.page.get_by_role("main").get_by_role("button").count() == 0
            await shown.page.get_by_role("link", name="All launches").click()
            await shown.shows("Run now")
            assert await shown.page.get_by_role("main").get_by_role("button").count() == 0


@pytest.mark.parametrize("name", CORPUS, ids=range(len(CORPUS)))
async def test_what_others_chose_is_shown_as_text(tmp_path: Path, name: str) -> None:
    """Room, identity, launcher, and what the process writes: in the list, in the launch, and in the question."""
    told = replace(avatar(name=name), command=(sys.executable, "-S", "-c", WRITES, name), join_within=600_000)
    async with stage(tmp_path, told) as here, browser() as chromium:
        await here.livekit.rooms.join(name, "alice")
        launch = await here.launch(name, token=token(name, name))
        async with tab(chromium, here.launcher.url, token=API_TOKEN) as shown:
            await shown.page.get_by_role("button", name="Stop: ").click()
            await shown.page.get_by_role("button", name="Leave it as it is").click()
            await shown.page.get_by_role("link", name=launch[:8]).click()
            await shown.shows("It wrote: ")
            assert not await shown.page.evaluate("window.harmed")
            assert await shown.page.evaluate("document.scripts.length") == 1


WRITES = "import sys, time; print('It wrote:', sys.argv[1], flush=True); time.sleep(3600)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("narrow", [False, True])
async def test_every_view_is_accessible(tmp_path: Path, scheme: Scheme, *, narrow: bool) -> None:
    """The sign-in, the launches, one launch, the question before it is stopped; nothing is wider than a phone."""
    async with launching(tmp_path) as here, browser() as chromium:
        size = {"size": PHONE} if narrow else {}
        async with tab(chromium, here.launcher.url, token=None, scheme=scheme, **size) as shown:
            await shown.page.get_by_label("API token").wait_for()
            assert await violations(shown) == []
            await shown.sign_in(API_TOKEN)
            await shown.shows("Ended lately")
            assert await violations(shown) == []
            assert not narrow or await shown.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            await shown.page.get_by_role("button", name="Stop: ").first.click()
            await shown.page.get_by_role("dialog").wait_for()
            assert await violations(shown) == []
            await shown.page.get_by_role("button", name="Leave it as it is").click()
            await shown.page.get_by_role("region", name="Run now").get_by_role("link").nth(1).click()
            await shown.shows("arguments ['telling']")
            assert await violations(shown) == []
            assert not narrow or await shown.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
