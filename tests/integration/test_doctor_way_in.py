"""`dispatcher doctor --url`: whether webhooks arrive at a running service, ours and LiveKit's own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace

from dispatcher.cli.doctor import examine
from dispatcher.cli.doctor.way_in import WayIn
from dispatcher.cli.main import main
from dispatcher.config import Config, Secret
from dispatcher.testing import DEV_KEYS
from tests.integration.house import TOKEN, House, config, house, rule
from tests.unit.config.files import CONNECTION

KEY = next(iter(DEV_KEYS))


async def examined(here: House, *, settings: Config | None = None, url: str = "", trip: bool = False) -> list[str]:
    """What is found by who has the service's own settings, or others."""
    told: list[str] = []
    known = settings or ours(here)
    await examine(known, told.append, way=WayIn(url or here.service.url, here.service.url, room_trip=trip))
    return "".join(told).replace(here.service.url, "URL").splitlines()


def ours(here: House) -> Config:
    """The service's own settings."""
    return config(here.livekit.url, rule("greeter"), token=TOKEN)


async def test_a_service_that_is_well_takes_a_webhook_and_our_token() -> None:
    """LiveKit's own webhooks are told by their age; what was not tried is said, too."""
    async with house() as here:
        before = await examined(here)
        await here.livekit.rooms.open("lobby")
        await here.livekit.wait_until(lambda: any(one.status == 200 for one in here.livekit.webhooks_sent))
        after = await examined(here)

    assert "ok       way in: URL/readyz: ready" in before
    assert f"ok       webhook default: URL/webhook: 200 ignored, signed with {KEY}" in before
    assert any(line.startswith("warning  webhook default: none of LiveKit's has come since") for line in before)
    assert any(line.startswith("skipped  room trip: not tried") for line in before)
    assert "ok       api: takes the token of environment" in before
    assert "ok       webhook default: LiveKit's last one came 0 s ago" in after


async def test_a_room_is_made_and_its_webhook_waited_for() -> None:
    """The room is gone afterwards; of a test webhook the trip is not fooled."""
    async with house() as here:
        told = await examined(here, trip=True)
        made = [call.method for call in here.livekit.calls if call.method in {"CreateRoom", "DeleteRoom"}]

    assert any(line.startswith("ok       room trip default: LiveKit's webhook came within") for line in told)
    assert not any("none of LiveKit's has come" in line for line in told)
    assert made == ["CreateRoom", "DeleteRoom"]
    assert not here.livekit.rooms.names()


async def test_a_livekit_that_sends_its_webhooks_elsewhere_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours are taken, and LiveKit's do not come."""
    monkeypatch.setattr("dispatcher.cli.doctor.way_in.WITHIN_S", 0.5)
    async with house() as here:
        here.livekit.webhook_url = "http://127.0.0.1:9/webhook"
        told = await examined(here, trip=True)

    assert (
        "error    room trip default: a room was made, and no webhook of LiveKit's came to URL/webhook within 0.5 s; "
        "does LiveKit's `webhook.urls` (in Cloud: Settings, Webhooks) name it, signed with a key of this project?"
    ) in told


async def test_no_room_is_made_where_a_rule_would_send_an_agent() -> None:
    """A check asks for nobody."""
    async with house() as here:
        eager = config(here.livekit.url, rule("scribe", trigger="room_started"), token=TOKEN)
        told = await examined(here, settings=eager, trip=True)
        calls = [call.method for call in here.livekit.calls]

    assert any("not tried: rule default would send an agent into the room" in line for line in told)
    assert "CreateRoom" not in calls


async def test_a_room_that_cannot_be_made_is_told() -> None:
    """With LiveKit's answer."""
    async with house() as here:
        here.livekit.faults.fail("CreateRoom", 403)
        told = await examined(here, trip=True)

    assert any(line.startswith(f"error    livekit default: {here.livekit.url}: unauthorized;") for line in told)


async def test_other_secrets_and_tokens_than_the_services_are_errors() -> None:
    """Each with what is wrong."""
    async with house() as here:
        [project] = ours(here).projects
        other = replace(project, keys={KEY: Secret("another-secret-another-secret-another")})
        told = await examined(here, settings=replace(ours(here), projects=(other,), api_token=Secret("no-" + TOKEN)))

    assert any(line.startswith("error    webhook default: URL/webhook: 401 bad_signature") for line in told)
    assert "error    api: refuses the token of environment: 401; the service has another one" in told


async def test_a_service_with_its_api_off_is_told_to_who_has_a_token() -> None:
    """It has none."""
    async with house(token=None) as here:
        told = await examined(here)

    assert any(
        line.startswith("error    api: refuses the token of environment: 404; the service has none") for line in told
    )


async def test_nobody_at_the_address_is_told_of_each_thing_that_was_asked() -> None:
    """With the address and the system's reason; the rest is checked all the same, and what is not known is said."""
    nowhere = "http://127.0.0.1:9"
    async with house() as here:
        told: list[str] = []
        code = await examine(ours(here), told.append, way=WayIn(nowhere, nowhere, room_trip=True))

    said = "".join(told)
    assert code == 1
    for asked in ("way in: {}/readyz", "webhook default: {}/webhook", "api: {}/v1/rooms?limit=1"):
        assert f"error    {asked.format(nowhere)}: Connection refused: is the service running there?" in said
    assert "skipped  room trip default: not tried" in said
    assert "ok       livekit default" in said


async def test_probes_that_cannot_be_reached_hide_no_webhook() -> None:
    """They may be for the inside alone."""
    async with house() as here:
        told: list[str] = []
        await examine(ours(here), told.append, way=WayIn(here.service.url, "http://127.0.0.1:9"))

    assert f"ok       webhook default: {here.service.url}/webhook: 200 ignored" in "".join(told)
    assert "error    way in: http://127.0.0.1:9/readyz: Connection refused" in "".join(told)


@pytest.mark.parametrize("typed", [["--room-trip"], ["--admin-url", "http://probes"]])
def test_what_goes_with_an_address_is_not_taken_without_one(
    typed: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2: it would check less than was asked for."""
    monkeypatch.chdir(tmp_path)
    for name, value in {**CONNECTION, "DISPATCHER_AGENT": "greeter"}.items():
        monkeypatch.setenv(name, value)

    assert main(["doctor", *typed]) == 2
    assert "go with --url" in capsys.readouterr().err


@asynccontextmanager
async def proxy(status: int, body: object) -> AsyncIterator[str]:
    """Something that answers so, wherever it is asked."""

    async def say(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", say)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (503, {"ready": False, "reason": "ledger_unavailable"}, "not ready: ledger_unavailable; docs/http.md"),
        (404, {}, "/readyz: 404; is the service running there?"),
        (500, {}, "/readyz: 500; is the service running there?"),
        (599, {}, "/readyz: 599; is the service running there?"),
    ],
)
async def test_a_service_that_is_not_ready_or_not_there_is_told(status: int, body: object, says: str) -> None:
    """What only its metrics could tell is said to be unknown."""
    async with house() as here, proxy(status, body) as url:
        told: list[str] = []
        await examine(ours(here), told.append, way=WayIn(here.service.url, url, room_trip=True))

    assert says in "".join(told)
    assert "skipped  webhook default: when LiveKit's last one came is not told there; --admin-url" in "".join(told)
    assert "skipped  room trip default: not tried: what arrives is not told there" in "".join(told)
    assert f"error    api: {url}/v1/rooms?limit=1: {status}, not as the service answers" in "".join(told)


async def test_a_token_that_may_not_read_is_taken_all_the_same() -> None:
    """As a backend has it that only orders agents: the service knows it."""
    problem = {"error": "forbidden", "detail": "the token backend has no scope `read`"}
    async with house() as here, proxy(403, problem) as url:
        told: list[str] = []
        await examine(ours(here), told.append, way=WayIn(here.service.url, url))

    assert "ok       api: takes the token of environment\n" in told


async def test_without_an_address_it_says_that_nobody_looked() -> None:
    """And how to have it checked; as JSON the same."""
    async with house() as here:
        told: list[str] = []
        await examine(ours(here), told.append, as_one=True)

    found = {(one["grade"], one["about"]) for one in json.loads(told[0])["findings"]}
    assert {("skipped", "way in"), ("skipped", "workers"), ("ok", "livekit default")} <= found


async def test_the_key_that_was_not_tried_is_named() -> None:
    """Calls are signed with the first."""
    async with house() as here:
        [project] = ours(here).projects
        more = replace(project, keys={**project.keys, "APIold": Secret("x" * 40)})
        told: list[str] = []
        await examine(replace(ours(here), projects=(more,), api_token=None), told.append)

    assert "skipped  livekit default: its first key was tried, the other 1 not" in "".join(told)
    assert "ok       api: off; `dispatcher explain` needs it: set DISPATCHER_API_TOKEN" in "".join(told)


def test_probes_on_a_port_of_their_own_are_found_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On this machine; else --admin-url says where."""
    asked: list[WayIn | None] = []

    async def instead(*_: object, way: WayIn | None, as_one: bool) -> int:
        asked.append(way)
        return int(as_one)

    monkeypatch.setattr("dispatcher.cli.doctor.command.examine", instead)
    monkeypatch.chdir(tmp_path)
    for name, value in {**CONNECTION, "DISPATCHER_AGENT": "greeter", "DISPATCHER_ADMIN_PORT": "9090"}.items():
        monkeypatch.setenv(name, value)

    url = ["--url", "https://hooks.example/webhook"]
    assert [main(["doctor", *typed]) for typed in ([], url, [*url, "--admin-url", "http://probes", "--json"])] == [
        0,
        0,
        1,
    ]
    assert asked == [
        None,
        WayIn("https://hooks.example", "http://127.0.0.1:9090"),
        WayIn("https://hooks.example", "http://probes"),
    ]
