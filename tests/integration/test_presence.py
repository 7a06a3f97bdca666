"""Workers that answer over HTTP, as livekit-agents do: asked, and what people are told of them."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from dispatcher.app import running
from dispatcher.config import load
from dispatcher.core.workers import Missing, Registered
from dispatcher.targets import worker_http
from dispatcher.targets.worker_http import ANSWER_MAX, WorkerEndpoint, WorkerHttp
from dispatcher.targets.worker_http import worker_http as opened
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, Timings, WorkerServer
from tests.integration.house import SPEED, TOKEN, Ears, House, swept


@pytest.fixture
async def http() -> AsyncIterator[WorkerHttp]:
    """The door to workers."""
    async with opened() as door:
        yield door


async def said(http: WorkerHttp, url: str) -> Registered | Missing:
    """What the only worker at a URL answers."""
    places = await http.places(url)
    assert not isinstance(places, Missing)
    (place,) = places
    return await http.ask(place)


async def test_a_worker_of_python_says_all_of_itself(http: WorkerHttp) -> None:
    """Its name, type, jobs, load and version; what is empty or 0 is left out on the wire."""
    async with WorkerServer("greeter", type="JT_PUBLISHER") as worker:
        worker.jobs, worker.load = 2, 0.93
        assert await said(http, worker.url) == Registered(
            agent="greeter", type="JT_PUBLISHER", jobs=2, load=0.93, sdk="1.8.9"
        )
        worker.agent, worker.jobs, worker.load, worker.ready = "", 0, 0.0, False
        assert await said(http, worker.url) == Registered(agent="", type="JT_PUBLISHER", sdk="1.8.9", ready=False)


async def test_a_worker_of_node_says_less(http: WorkerHttp) -> None:
    """No content type, no load, no version."""
    async with WorkerServer("greeter", node=True) as worker:
        assert await said(http, worker.url) == Registered(agent="greeter")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"OK", Missing.BROKEN),
        (b"[]", Missing.BROKEN),
        (b'{"agent_name": 7, "active_jobs": []}', Missing.BROKEN),
        (b"[" * 10_000, Missing.BROKEN),
        (b"x" * (ANSWER_MAX + 1), Missing.TOO_LONG),
        (b'{"agent_name": "a", "active_jobs": "3", "unknown": {}}', Registered(agent="a", jobs=3)),
        (b'{"agent_name": "a", "active_jobs": -3}', Registered(agent="a")),
    ],
)
async def test_what_is_no_worker_is_told_from_one(http: WorkerHttp, body: bytes, answer: Registered | Missing) -> None:
    """Bounded, and never raised."""
    async with WorkerServer("greeter") as worker:
        worker.body = body
        assert await said(http, worker.url) == answer


async def test_who_does_not_answer_has_a_reason(http: WorkerHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens, nobody answers, no such name, another answer than 200."""
    monkeypatch.setattr(worker_http, "ANSWER_S", 0.2)
    async with WorkerServer("greeter") as worker:
        worker.status = 404
        assert await said(http, worker.url) is Missing.BROKEN
        worker.hangs = True
        assert await said(http, worker.url) is Missing.TIMEOUT
        await worker.go_down()
        assert await said(http, worker.url) is Missing.REFUSED
        await worker.come_back()
        worker.hangs, worker.status = False, 200
        assert await said(http, worker.url) == Registered(agent="greeter", sdk="1.8.9")


async def test_a_redirect_is_not_followed(http: WorkerHttp) -> None:
    """It may lead anywhere."""
    async with WorkerServer("greeter") as worker:

        async def away(_: web.Request) -> web.Response:
            raise web.HTTPFound(f"{worker.url}/worker")

        app = web.Application()
        app.add_routes([web.get("/worker", away)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            assert await said(http, f"http://127.0.0.1:{runner.addresses[0][1]}") is Missing.BROKEN
        finally:
            await runner.cleanup()


async def test_a_name_is_asked_at_all_its_addresses(http: WorkerHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, under the name that was configured."""

    def resolved(*_: object, **__: object) -> list[tuple[object, ...]]:
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        v6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "")
        hosts = ("127.0.0.1", "127.0.0.1", "127.0.0.2")
        return [*((*stream, (host, 0)) for host in hosts), (*v6, ("::1", 0, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    async with WorkerServer("greeter") as worker:
        places = await http.places(f"dns+http://agents:{worker.port}")

        assert not isinstance(places, Missing)
        assert [place.url for place in places] == [
            f"http://127.0.0.1:{worker.port}", f"http://127.0.0.2:{worker.port}", f"http://[::1]:{worker.port}"
        ]  # fmt: skip
        assert places[0].address == f"agents (127.0.0.1:{worker.port})"
        assert await http.ask(places[0]) == Registered(agent="greeter", sdk="1.8.9")
        assert worker.asked == [f"agents:{worker.port}"]


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such name"), Missing.UNRESOLVED),
        (socket.gaierror(socket.EAI_AGAIN, "later"), Missing.UNREACHABLE),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "dns+http"])
async def test_a_name_without_an_address_has_a_reason(
    http: WorkerHttp, monkeypatch: pytest.MonkeyPatch, scheme: str, error: OSError, missing: Missing
) -> None:
    """That there is no such name is known; that nobody could be asked for it is not."""

    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", failing)
    url = f"{scheme}://agents:8081"
    found = await http.places(url)

    assert (found if isinstance(found, Missing) else await http.ask(found[0])) is missing


async def test_a_name_that_nobody_resolves_in_time_has_a_reason(
    http: WorkerHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name service may hang as long as it likes."""

    async def hanging(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(worker_http, "ANSWER_S", 0.05)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hanging)

    assert await http.places("dns+http://agents:8081") is Missing.TIMEOUT


async def test_who_hangs_up_is_no_worker(http: WorkerHttp) -> None:
    """In the middle of an answer."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await said(http, f"http://127.0.0.1:{port}") is Missing.BROKEN


async def test_an_address_that_leads_nowhere_is_unreachable(http: WorkerHttp) -> None:
    """Whatever the system says of it."""
    assert await http.ask(WorkerEndpoint("x", "http://255.255.255.255:1", "x")) is Missing.UNREACHABLE


@asynccontextmanager
async def served(folder: Path, *urls: str) -> AsyncIterator[House]:
    """The service runs with `greeter` for everybody, and these workers to ask."""
    file = folder / "dispatcher.yaml"
    file.write_text(f"rules: [{{name: all, agent: greeter}}]\nworkers: {json.dumps(urls)}\n")
    ears = Ears()
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        environ = {
            "LIVEKIT_URL": livekit.url,
            "LIVEKIT_API_KEY": livekit.api_key,
            "LIVEKIT_API_SECRET": livekit.api_secret,
            "DISPATCHER_HOST": "127.0.0.1",
            "DISPATCHER_PORT": "0",
            "DISPATCHER_API_TOKEN": TOKEN,
        }
        async with running(load(file, environ), Log(ears.hear, time.time), version="test") as service:
            livekit.webhook_url = f"{service.url}/webhook"
            await swept(livekit)
            yield House(livekit, service, ears)


async def got(here: House, path: str) -> dict[str, Any]:
    """What the API answers."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with ClientSession(headers=headers) as session, session.get(f"{here.service.url}{path}") as answer:
        assert answer.status == 200
        answered: dict[str, Any] = await answer.json()
    return answered


async def test_who_waits_is_told_which_workers_there_are(tmp_path: Path) -> None:
    """In the diagnosis of the room, in /v1/workers, in the log and in the metrics."""
    async with WorkerServer("sales") as sales, served(tmp_path, sales.url, "http://127.0.0.1:9") as here:
        answered = await here.told("worker.answered")
        refused = await here.told("worker.unanswered")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.requested", room="lobby")
        room = await got(here, "/v1/rooms/lobby")
        workers = await got(here, "/v1/workers")

        assert (answered["address"], answered["agent"], refused["why"]) == (sales.url, "sales", "refused")
        assert room["sessions"][0]["diagnosis"][0].endswith(
            "No worker that answers is registered as `greeter`; seen: `sales` x1; 1 of 2 addresses do not answer."
        )
        assert [(one["agent"], one["workers"]) for one in workers["agents"]] == [("sales", 1)]
        answers = {one["address"]: one for one in workers["workers"]}
        assert answers["http://127.0.0.1:9"] == {"address": "http://127.0.0.1:9", "missing": "refused"}
        assert {"agent": "sales", "type": "JT_ROOM", "ready": True}.items() <= answers[sales.url].items()
        metrics = await here.metrics()
        assert metrics['livekit_dispatcher_workers{agent="other"}'] == 1
        assert metrics['livekit_dispatcher_worker_polls_total{result="refused"}'] >= 1


async def test_workers_that_do_not_answer_cost_no_agent(tmp_path: Path) -> None:
    """Whoever is not seen is asked for all the same."""
    async with WorkerServer("greeter") as worker, served(tmp_path, worker.url) as here:
        worker.hangs = True
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
