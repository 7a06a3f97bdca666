"""The client for applications: what it repeats, with which key, and how it fails."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from dispatcher.client import Dispatcher, DispatchFields, RequestFailed
from dispatcher.client.dispatcher import REPEATS_S
from dispatcher.http.asked import DispatchRequest
from tests.real.server import free_port

TOKEN: Final = "of-the-tests"
SERVED: Final = {
    "project": "default",
    "room": "lobby",
    "sid": "RM_1",
    "assignment": "request:1",
    "state": "served",
    "agent": "sales",
    "diagnosis": ["Served."],
}
AWAY: Final = {"error": "ledger_unavailable", "detail": "the ledger does not answer"}
AT_ONCE: Final = (0.0, 0.0, 0.0)


def answer(status: int, body: object = SERVED) -> web.Response:
    """As the service answers."""
    return web.json_response(body, status=status)


class Service:
    """Answers one request after the other as it is told; None: the connection breaks."""

    def __init__(self, *answers: web.Response | None) -> None:
        self.answers = list(answers)
        self.requests: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []

    async def answered(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        given = self.answers.pop(0)
        if given is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return given

    @property
    def keys(self) -> list[str]:
        return [request.headers["Idempotency-Key"] for request in self.requests]


@asynccontextmanager
async def asking(service: Service) -> AsyncIterator[Dispatcher]:
    """Who asks this service, and does not wait before it repeats."""
    async with (
        RawTestServer(service.answered) as server,
        Dispatcher(str(server.make_url("/")), TOKEN, repeats=AT_ONCE) as dispatcher,
    ):
        yield dispatcher


async def test_an_order_is_sent_as_it_was_meant() -> None:
    """Only what was given; the rest has the service's defaults."""
    service = Service(answer(200))
    async with asking(service) as dispatcher:
        sales = await dispatcher.dispatch(room="lobby", agent="sales", wait=1.5)
    [request] = service.requests
    assert (request.method, request.path, request.headers["Authorization"]) == (
        "POST",
        "/v1/dispatches",
        f"Bearer {TOKEN}",
    )
    assert 1_000 < int(request.query["wait"].removesuffix("ms")) <= 1_500
    assert service.bodies == [b'{"room": "lobby", "agent": "sales"}']
    assert (sales.state, sales.assignment, sales.diagnosis) == ("served", "request:1", ("Served.",))


@pytest.mark.parametrize(("status", "body"), [(503, AWAY), (502, "a page"), (504, None)])
async def test_a_repeat_has_the_key_of_its_call(status: int, body: object) -> None:
    """However the answer was lost; another call has another key, unless the caller gives one."""
    service = Service(answer(status, body), None, answer(200), answer(202), answer(200))
    async with asking(service) as dispatcher:
        await dispatcher.dispatch(room="lobby", agent="sales")
        await dispatcher.dispatch(room="lobby", agent="sales")
        await dispatcher.dispatch(room="lobby", agent="sales", idempotency_key="order-1")
    first, again, third, another, given = service.keys
    assert first == again == third != another
    assert given == "order-1"


async def test_after_three_repeats_the_last_reason_is_told() -> None:
    """As one typed exception."""
    service = Service(*(answer(503, AWAY) for _ in range(1 + len(REPEATS_S))))
    async with asking(service) as dispatcher:
        with pytest.raises(RequestFailed) as caught:
            await dispatcher.cancel("lobby", "front")
    failed = caught.value
    assert (failed.status, failed.error, failed.detail) == (503, "ledger_unavailable", "the ledger does not answer")
    assert service.answers == []


async def test_a_refusal_is_not_repeated() -> None:
    """It would be refused again; it names the field."""
    refused = {"error": "unprocessable", "detail": "agent: no name", "field": "agent"}
    service = Service(answer(422, refused))
    async with asking(service) as dispatcher:
        with pytest.raises(RequestFailed, match="agent: no name") as caught:
            await dispatcher.dispatch(room="lobby", agent=" ")
    assert (caught.value.status, caught.value.error, caught.value.field) == (422, "unprocessable", "agent")


async def test_names_stay_what_they_are() -> None:
    """A slash, a percent sign or an ampersand in a room or an assignment ends nothing."""
    service = Service(answer(200), answer(200))
    async with asking(service) as dispatcher:
        await dispatcher.retry("a/b?c&d", "each:50%", project="p&q")
        await dispatcher.cancel("a/b?c&d", "each:50%")
    retried, cancelled = service.requests
    named = {"room": "a/b?c&d", "assignment": "each:50%"}
    assert (retried.path, dict(retried.query)) == ("/v1/room/assignment/retry", {**named, "project": "p&q"})
    assert (cancelled.method, cancelled.path, dict(cancelled.query)) == ("DELETE", "/v1/room/assignment", named)


async def test_what_is_read_is_asked_for_once() -> None:
    """Whoever reads may ask again by themselves; nobody there is told with the system's reason."""
    async with Dispatcher(f"http://127.0.0.1:{free_port()}", TOKEN, repeats=(60.0,)) as dispatcher:
        async with asyncio.timeout(10):
            with pytest.raises(RequestFailed, match="Connection refused") as caught:
                await dispatcher.rooms()
    assert (caught.value.status, caught.value.error) == (0, "unreachable")


async def test_somebody_elses_answer_is_told() -> None:
    """A page in the service's place."""
    service = Service(web.Response(text="<html>"))
    async with asking(service) as dispatcher:
        with pytest.raises(RequestFailed, match="is the service running there") as caught:
            await dispatcher.rooms(state="served")
    assert (caught.value.status, caught.value.error) == (200, "not_the_service")


def test_all_that_the_service_takes_can_be_given() -> None:
    """The client's fields are those of the API."""
    assert set(DispatchFields.__annotations__) == set(DispatchRequest.__struct_fields__)
    assert DispatchFields.__required_keys__ == {"room"}


def test_an_application_imports_nothing_else_of_the_service() -> None:
    """Neither other rooms, nor the libraries that they need."""
    program = "import sys, dispatcher.client; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    names = imported.split()
    ours = {name.split(".")[1] for name in names if name.startswith("dispatcher.")}
    assert ours == {"client", "core"}
    assert {name for name in names if name.startswith("dispatcher.core.")} == {"dispatcher.core.errors"}
    assert {"pydantic", "livekit", "google.protobuf", "redis", "cel_expr_python", "yaml"} & set(names) == set()


async def test_a_pause_and_its_end_are_repeated_too() -> None:
    """Twice is as good as once: it begins a second later, or is over already."""
    stands = {"project": "default", "agent": "a/b", "rules": [], "targets": [], "assignments": {"served": 2}}
    hour = {"served": 0, "failed": 0, "p50_ms": None, "p95_ms": None, "minutes": [[0, 0]] * 60}
    one = {**stands, "last_hour": hour, "workers": None, "paused": None}
    service = Service(answer(503, AWAY), answer(200, one), None, answer(200, one))
    async with asking(service) as dispatcher:
        assert (await dispatcher.pause("a/b", lasts="30m", reason="deploy")).assignments == {"served": 2}
        assert (await dispatcher.resume("a/b", project="default")).paused is None
    assert [request.raw_path for request in service.requests[1::2]] == [
        "/v1/agents/a%2Fb/pause",
        "/v1/agents/a%2Fb/resume",
    ]
    assert service.bodies[1::2] == [b'{"reason": "deploy", "project": "", "for": "30m"}', b'{"project": "default"}']
