"""A launcher's page over HTTP, and what it asks: who somebody is, and the launches that have ended last."""

from ipaddress import ip_network
from pathlib import Path
from typing import Final

import pytest
from aiohttp import ClientSession
from msgspec.structs import replace
from yarl import URL

from dispatcher.config import ApiToken, Secret, Ui
from dispatcher.launcher.server import LauncherPlace, running_launcher
from dispatcher.telemetry.logs import Log
from tests.launcher.launched import avatar, configured, epoch_ms, stage

ALICE: Final = {"X-Forwarded-User": "alice"}
READER: Final = "a-token-that-may-only-read"


@pytest.mark.parametrize("path", ["/", "/ui", "/ui/launches/0123456789abcdef0123456789abcdef"])
async def test_every_view_is_the_launcher_s_page_and_finds_its_files(tmp_path: Path, path: str) -> None:
    """Without a token, under the policy of the service's page."""
    async with stage(tmp_path) as here, here.http.get(f"{here.launcher.url}{path}") as answer:
        text = await answer.text()
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        script = text.partition('type="module" src="')[2].partition('"')[0]
        assert script.endswith("js/launcher.js")
        async with here.http.get(answer.url.join(URL(script))) as file:
            assert (file.status, file.content_type) == (200, "text/javascript")


async def test_a_token_is_told_what_it_may_do(tmp_path: Path) -> None:
    """The projects are the launcher's; without a token nobody is anybody."""
    async with stage(tmp_path) as here:
        told = await here.get("/v1/whoami")
        assert (told["name"], told["scopes"], told["projects"]) == (
            "environment",
            ["read", "dispatch", "admin"],
            ["default"],
        )
        async with here.http.get(f"{here.launcher.url}/v1/whoami") as answer:
            assert answer.status == 401


async def test_the_page_s_settings_are_the_service_s(tmp_path: Path) -> None:
    """Off, it is not there; behind the operator's proxy nobody needs a token."""
    proxied = Ui(trust_header="X-Forwarded-User", proxies=(ip_network("127.0.0.0/8"),))
    for ui, page, launches in ((Ui(enabled=False), 404, 401), (proxied, 200, 200)):
        config = replace(configured("http://127.0.0.1:9"), ui=ui)
        place = LauncherPlace(host="127.0.0.1", port=0, state=tmp_path / str(page))
        log = Log(lambda _line: None, lambda: 0.0)
        async with (
            ClientSession(headers=ALICE) as http,
            running_launcher(config, log, place, clock=epoch_ms, version="test") as launcher,
        ):
            assert (await http.get(f"{launcher.url}/ui")).status == page
            assert (await http.get(f"{launcher.url}/v1/launches")).status == launches


async def test_the_last_launches_that_have_ended_follow_those_that_run(tmp_path: Path) -> None:
    """As many as are asked for; a limit that is none is refused by name."""
    async with stage(tmp_path, avatar("joined")) as here:
        ended = [await here.launch(room) for room in ("one", "two", "three")]
        for one in ended:
            await here.until(one, "joined")
            await here.stop(one)
        runs = await here.launch()
        listed = (await here.get("/v1/launches?ended=true&limit=2"))["launches"]
        assert [one["id"] for one in listed] == [runs, *ended[1:]]
        assert len((await here.get("/v1/launches?limit=2"))["launches"]) == 1
        assert (await here.get("/v1/launches?limit=0"))["field"] == "limit"
        assert (await here.get("/v1/launches?limit=all"))["field"] == "limit"


async def test_whoever_may_only_read_stops_nothing(tmp_path: Path) -> None:
    """They see the launch, and it goes on."""
    reader = ApiToken(name="reader", token=Secret(READER), scopes=frozenset({"read"}))
    async with stage(tmp_path, api_tokens=(reader,)) as here:
        launch = f"{here.launcher.url}/v1/launches/{await here.launch()}"
        headers = {"Authorization": f"Bearer {READER}"}
        async with here.http.post(f"{launch}/stop", headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]) == (403, "forbidden")
        async with here.http.get(launch, headers=headers) as answer:
            assert (await answer.json())["state"] in {"starting", "joined"}
