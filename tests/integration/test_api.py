"""The API from outside: who may ask, what makes no sense, and which rooms come first."""

import asyncio
import time
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from msgspec.structs import replace
from yarl import URL

from dispatcher.app import Service, running
from dispatcher.cli.explain import explain
from dispatcher.config import Project, Secret
from dispatcher.telemetry.logs import Log
from dispatcher.testing import DEV_KEYS
from tests.integration.house import TOKEN, Ears, House, config, house, rule
from tests.integration.test_app import post

NOWHERE = "http://127.0.0.1:9"
BEARER = f"Authorization: Bearer {TOKEN}".encode()


async def status(here: House, path: str, authorization: bytes) -> int:
    """The status of the answer to a request, byte for byte as it is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(here.service.admin_url).port)
    writer.write(b"\r\n".join([f"GET {path} HTTP/1.1".encode(), b"Host: x", authorization, b"", b""]))
    answer = await reader.readline()
    writer.transport.abort()
    return int(answer.split()[1])


@pytest.mark.parametrize(
    "authorization",
    [
        b"X-None: x",
        b"Authorization:",
        b"Authorization: Bearer",
        b"Authorization: Bearer \xff\xfe",
        b"Authorization: Bearer " + TOKEN.encode() + b"\xff",
        b"Authorization: \xff " + TOKEN.encode(),
        b"Authorization: Bearer \xed\xa0\x80",
        b"Authorization: Basic " + TOKEN.encode(),
        b"Authorization: " + TOKEN.encode(),
        b"Authorization: Bearer " + TOKEN.encode()[:-1],
        b"Authorization: Bearer " + b"x" * 8_000,
    ],
)
@pytest.mark.parametrize("path", ["/v1/rooms", "/v1/rooms/lobby"])
async def test_whoever_has_not_the_token_is_401(path: str, authorization: bytes) -> None:
    """Whatever bytes are sent in its place: that is counted, and is no defect of ours."""
    async with house() as here:
        assert await status(here, path, authorization) == 401
        metrics = await here.metrics()
    assert metrics['livekit_dispatcher_api_requests_total{result="unauthorized"}'] == 1
    assert metrics['livekit_dispatcher_loop_errors_total{loop="http"}'] == 0


async def test_requests_are_counted_by_what_became_of_them() -> None:
    """Those that were answered beside those that were not."""
    paths = {"/v1/rooms": 200, "/v1/rooms?limit=0": 400, "/v1/rooms/nowhere": 404}
    async with house() as here:
        assert {path: await status(here, path, BEARER) for path in paths} == paths
        counted = await here.counted("api_requests_total")
    name = "livekit_dispatcher_api_requests_total"
    assert counted == {f'{name}{{result="{result}"}}': 1 for result in ("ok", "bad_request", "not_found")}


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "1.5", "", "many", "9" * 5_000, "0" * 5_000 + "1", "²"])
async def test_a_limit_that_makes_no_sense_is_400(limit: str) -> None:
    """However long it is; the answer names the parameter."""
    async with house() as here, aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        answer = await http.get(f"{here.service.url}/v1/rooms", params={"limit": limit})
        assert (answer.status, (await answer.json())["detail"]) == (400, "limit: 1 to 1000")


@pytest.mark.parametrize("room", ["%ff", "%00", "%ed%b0%80", "..%2f..", "%0d%0aX:%20y", "a" * 7_000])
async def test_an_odd_name_of_a_room_is_one_that_is_unknown(room: str) -> None:
    """No name is a defect."""
    async with house() as here:
        assert await status(here, f"/v1/rooms/{room}", BEARER) == 404
        assert not await here.counted("loop_errors_total")


ODD = ["{lobby}", "a/b", "..", "a/../b", "a%2Fb", "?", "a&rules=1", "a+b c", "#1", "/", "a//b", "ü%", "assignments/x"]


@pytest.mark.parametrize("room", ODD)
async def test_a_room_may_be_called_anything(room: str) -> None:
    """It is found by its name in the path, percent-encoded, as `?room=`, and by `explain`."""
    written: list[str] = []
    in_path, name = quote(room, safe="/{}" if ".." not in room else ""), quote(room, safe="")
    async with house() as here, aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join(room, "alice")
        await here.told("agent.joined", room=room)
        for path in (f"/v1/room?room={name}", f"/v1/rooms/{name}", f"/v1/rooms/{in_path}"):
            if room == ".." and "?" not in path:
                continue  # every client takes it for the folder above
            async with http.get(URL(f"{here.service.admin_url}{path}", encoded=True)) as answer:
                assert (answer.status, (await answer.json())["room"]) == (200, room)
        assert await explain(here.service.admin_url, TOKEN, room, written.append) == 0
    assert "greeter" in "".join(written)


async def later(service: Service) -> None:
    """What is heard of now is younger than what was."""
    before = await service.ledger.now()
    async with asyncio.timeout(5):
        while await service.ledger.now() == before:
            await asyncio.sleep(0)


async def test_rooms_of_all_projects_are_listed_newest_first() -> None:
    """The limit is over all of them, so that none hides the newer rooms of another."""
    keys = {"devkey": Secret(DEV_KEYS["devkey"])}
    first = Project(name="first", url=NOWHERE, keys=keys)
    second = Project(name="second", url=NOWHERE, keys={"otherkey": keys["devkey"]})
    settings = replace(config(NOWHERE, rule("greeter")), projects=(first, second))
    async with (
        running(settings, Log(Ears().hear, time.time), version="test") as service,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http,
    ):
        for sid, key in (("RM_1", "otherkey"), ("RM_2", "devkey"), ("RM_3", "devkey"), ("RM_4", "otherkey")):
            assert await post(http, service, sid, key=key) == 200
            await later(service)

        async def listed(query: str) -> list[str]:
            async with http.get(f"{service.url}/v1/rooms{query}") as answer:
                return [room["sid"] for room in (await answer.json())["rooms"]]

        assert await listed("") == ["RM_4", "RM_3", "RM_2", "RM_1"]
        assert await listed("?limit=3") == ["RM_4", "RM_3", "RM_2"]
        assert await listed("?limit=1&project=first") == ["RM_3"]
