"""Asking launchers: the freest first, and the next one only where surely nothing was started."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dispatcher.client.launchers import (
    ANSWER_MAX,
    ANSWER_S,
    READY_S,
    WITHIN_S,
    LaunchAsked,
    Launchers,
    LaunchReply,
    launcher_http,
)
from dispatcher.core import timing
from tests.real.server import free_port

BODY = {"room_name": "lobby", "token": "a.b.c"}
STARTED = LaunchReply(result=LaunchAsked.STARTED, launch="L1")


@dataclass
class Stub:
    """A launcher that has so many places, and answers with these in turn, the last one from then on."""

    answers: list[tuple[int, object]] = field(default_factory=lambda: [(200, {"id": "L1"})])
    free: int = 1
    got: list[tuple[str, object]] = field(default_factory=list)
    url: str = ""

    async def launch(self, request: web.Request) -> web.StreamResponse:
        self.got.append((request.path, await request.json()))
        status, body = self.answers[min(len(self.got), len(self.answers)) - 1]
        if status == 0 and request.transport is not None:  # the connection breaks
            request.transport.abort()
        if status < 0:
            await asyncio.sleep(60)
        return (
            web.Response(body=body) if isinstance(body, bytes) else web.json_response(body, status=abs(status) or 200)
        )

    async def stop(self, request: web.Request) -> web.StreamResponse:
        self.got.append((request.path_qs, request.headers["Authorization"]))
        status, body = self.answers[0]
        if status < 0:
            await asyncio.sleep(60)
        return web.json_response(body, status=abs(status))

    async def ready(self, request: web.Request) -> web.StreamResponse:
        assert request.query_string == "launcher=avatar"
        if self.free < 0:
            return web.Response(text="no launcher")
        return web.json_response(
            {"ready": self.free > 0, "free": {"avatar": self.free}}, status=200 if self.free else 503
        )


@asynccontextmanager
async def asked(
    *stubs: Stub | str, hear: Callable[[str, str, LaunchReply], object] = lambda *_: None
) -> AsyncIterator[Launchers]:
    """Launchers named avatar, in this order; a text is the URL of one that is not there."""
    async with AsyncExitStack() as stack:
        for stub in stubs:
            if isinstance(stub, Stub):
                app = web.Application()
                app.router.add_post("/launch/avatar", stub.launch)
                app.router.add_post("/v1/launches/{launch}/stop", stub.stop)
                app.router.add_get("/readyz", stub.ready)
                server = await stack.enter_async_context(TestServer(app))
                stub.url = str(server.make_url("")).rstrip("/")
        http = await stack.enter_async_context(launcher_http())
        urls = [stub.url if isinstance(stub, Stub) else stub for stub in stubs]
        yield Launchers(http, {"avatar": urls}, hear)


def away() -> str:
    """Nobody listens there."""
    return f"http://127.0.0.1:{free_port()}"


async def test_a_process_is_started_by_the_only_launcher() -> None:
    """It is posted what it is to be told; what it answered is heard."""
    only, heard = Stub(free=-1), list[tuple[str, str, LaunchReply]]()
    async with asked(only, hear=lambda *told: heard.append(told)) as launchers:
        assert await launchers.launch("avatar", BODY, identity="one") == STARTED

    assert only.got == [("/launch/avatar", BODY)]
    assert heard == [("avatar", only.url, STARTED)]


async def test_the_freest_is_asked_first() -> None:
    """Those that do not say how free they are, last."""
    stubs = Stub(free=1), Stub(free=-1), Stub(free=3), Stub(free=0)
    async with asked(*stubs, away()) as launchers:
        assert list((await launchers.free("avatar")).values()) == [1, -1, 3, 0, -1]
        await launchers.launch("avatar", BODY, identity="one")

    assert [len(one.got) for one in stubs] == [0, 0, 1, 0]


async def test_launchers_that_are_as_free_share_what_comes() -> None:
    """Each is first for some, and the same one each time for the same identity."""
    stubs = Stub(), Stub()
    async with asked(*stubs) as launchers:
        for number in range(16):
            await launchers.launch("avatar", BODY, identity=f"one-{number % 8}")

    assert min(len(one.got) for one in stubs) >= 2
    assert [len(one.got) % 2 for one in stubs] == [0, 0]


@pytest.mark.parametrize(
    ("status", "error", "result"),
    [
        (503, "at_capacity", LaunchAsked.DECLINED),
        (503, "stopping", LaunchAsked.DECLINED),
        (429, "busy", LaunchAsked.DECLINED),
        (500, "not_started", LaunchAsked.DECLINED),
        (401, "unknown_key", LaunchAsked.REFUSED),
        (403, "wrong_url", LaunchAsked.REFUSED),
        (404, "unknown_launcher", LaunchAsked.REFUSED),
        (422, "unprocessable", LaunchAsked.REFUSED),
        (302, "", LaunchAsked.REFUSED),
    ],
)
async def test_where_nothing_was_started_the_next_is_asked(status: int, error: str, result: LaunchAsked) -> None:
    """With none left, the launcher's own word says why."""
    first, second = Stub([(status, {"error": error})], free=2), Stub()
    async with asked(first, second) as launchers:
        assert await launchers.launch("avatar", BODY, identity="one") == STARTED
    async with asked(first) as launchers:
        reply = await launchers.launch("avatar", BODY, identity="one")

    assert (reply.result, reply.reason) == (result, error or f"http_{status}")


async def test_one_without_a_place_says_more_than_one_that_refuses() -> None:
    """Places may be free again; a key that is not there stays so."""
    full, wrong = Stub([(503, {"error": "at_capacity"})], free=1), Stub([(401, {"error": "unknown_key"})], free=2)
    async with asked(wrong, full, away()) as launchers:
        reply = await launchers.launch("avatar", BODY, identity="one")

    assert (reply.result, reply.reason) == (LaunchAsked.DECLINED, "at_capacity")


async def test_who_is_not_reached_has_started_nothing() -> None:
    """The next is asked; of an unknown launcher there is none."""
    async with asked(away()) as launchers:
        reply = await launchers.launch("avatar", BODY, identity="one")
        unknown = await launchers.launch("other", BODY, identity="one")

    assert (reply.result, reply.reason) == (LaunchAsked.DECLINED, "unreachable")
    assert (unknown.result, unknown.reason) == (LaunchAsked.REFUSED, "unknown_launcher")


@pytest.mark.parametrize(
    ("answers", "result", "reason"),
    [
        ([(0, {}), (200, {"id": "L1"})], LaunchAsked.STARTED, ""),
        ([(0, {})], LaunchAsked.UNANSWERED, "broken"),
        ([(502, {}), (200, {"id": "L1"})], LaunchAsked.STARTED, ""),
        ([(502, {})], LaunchAsked.UNANSWERED, "http_502"),
        ([(200, {"status": "success"})], LaunchAsked.UNANSWERED, "broken"),
        ([(200, b"<html>")], LaunchAsked.UNANSWERED, "broken"),
        ([(200, b"x" * (ANSWER_MAX + 1))], LaunchAsked.UNANSWERED, "broken"),
        ([(0, {}), (409, {"error": "token_spent"})], LaunchAsked.DECLINED, "token_spent"),
        ([(0, {}), (503, {"error": "stopping"})], LaunchAsked.UNANSWERED, "broken"),
        ([(0, {}), (401, {"error": "expired"})], LaunchAsked.DECLINED, "at_capacity"),
    ],
)
async def test_who_does_not_answer_is_asked_once_more_and_nobody_else_is(
    answers: list[tuple[int, object]], result: LaunchAsked, reason: str
) -> None:
    """Its process may run: the same token again names it. Only what surely started nothing leads on."""
    silent, other = Stub(answers, free=2), Stub([(503, {"error": "at_capacity"})])
    async with asked(silent, other) as launchers:
        reply = await launchers.launch("avatar", BODY, identity="one")

    assert (reply.result, reply.reason) == (result, reason)
    assert len(silent.got) == 2
    assert len(other.got) == (1 if reason == "at_capacity" else 0)


async def test_a_launcher_that_hangs_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it has a limit: then nobody knows."""
    monkeypatch.setattr("dispatcher.client.launchers.WITHIN_S", 0.3)
    hanging = Stub([(-200, {})])
    async with asked(hanging) as launchers:
        reply = await launchers.launch("avatar", BODY, identity="one")

    assert (reply.result, reply.reason) == (LaunchAsked.UNANSWERED, "timeout")


def test_who_holds_a_session_has_asked_before_its_lease_ends() -> None:
    """As long as the longest call to LiveKit, at most; and there is time to ask twice."""
    assert WITHIN_S * 1_000 < timing.ACT_LIMIT_MS
    assert READY_S + 2 * ANSWER_S < WITHIN_S


async def test_each_answer_has_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """So there is time to ask again."""
    monkeypatch.setattr("dispatcher.client.launchers.ANSWER_S", 0.2)
    hanging = Stub([(-200, {}), (200, {"id": "L1"})])
    async with asked(hanging) as launchers:
        assert await launchers.launch("avatar", BODY, identity="one") == STARTED


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([(200, {}), (404, {"error": "unknown_launch"})], ""),
        ([(404, {"error": "unknown_launch"}), (404, {"error": "unknown_launch"})], ""),
        ([(404, {"error": "unknown_launch"}), (401, {"error": "unauthorized"})], "unauthorized"),
        ([(200, {}), (401, {"error": "unauthorized"})], ""),
    ],
)
async def test_a_launch_is_stopped_by_whichever_launcher_has_it(answers: list[tuple[int, object]], reason: str) -> None:
    """One that nobody knows is over; with whom it may be is told."""
    stubs = [Stub([answer]) for answer in answers]
    async with asked(*stubs) as launchers:
        assert await launchers.stop("avatar", "L/1", "a.b.c") == reason
        assert await launchers.stop("other", "L1", "a.b.c") == ""

    assert [one.got for one in stubs] == [[("/v1/launches/L%2F1/stop?wait=false", "Bearer a.b.c")]] * 2


async def test_a_launch_of_a_launcher_that_is_away_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again."""
    async with asked(away()) as launchers:
        assert await launchers.stop("avatar", "L1", "a.b.c") == "unreachable"
    monkeypatch.setattr("dispatcher.client.launchers.ANSWER_S", 0.2)
    hanging = Stub([(-200, {})])
    async with asked(hanging) as launchers:
        assert await launchers.stop("avatar", "L1", "a.b.c") == "timeout"
