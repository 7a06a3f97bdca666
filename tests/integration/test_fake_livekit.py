"""`dispatcher fake-livekit`: what it is told by options and over HTTP, and what it tells."""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dispatcher.cli import fake_livekit
from dispatcher.cli.main import main
from dispatcher.config import Secret
from dispatcher.testing import DEV_KEYS, FakeLiveKit
from dispatcher.testing.control import Control
from tests.integration.house import config, rule
from tests.real.server import free_port

SOMEBODY = {"kind": "SIP", "attributes": {"sip.phoneNumber": "+447700900123"}}


def options(*typed: str) -> argparse.Namespace:
    """As they are typed."""
    parser = argparse.ArgumentParser()
    fake_livekit.add(parser)
    return parser.parse_args(typed)


@asynccontextmanager
async def controlled() -> AsyncIterator[tuple[FakeLiveKit, aiohttp.ClientSession]]:
    """A fake that is told over HTTP, and who tells it."""
    livekit = FakeLiveKit()
    livekit.answer_more(Control(livekit).routes())
    async with livekit, aiohttp.ClientSession(livekit.url) as http:
        yield livekit, http


async def test_people_come_and_go_over_http() -> None:
    """Each answer shows the world."""
    async with controlled() as (livekit, http):
        async with http.post("/fake/rooms/lobby/alice") as answer:
            assert "room lobby" in (said := await answer.text())
            assert "alice" in said
        async with http.post("/fake/rooms/lobby/caller", json=SOMEBODY):
            [caller] = [one for one in livekit.rooms.people_in("lobby") if one.identity == "caller"]
            assert caller.attributes["sip.phoneNumber"] == "+447700900123"
        async with http.delete("/fake/rooms/lobby/alice?reason=CONNECTION_TIMEOUT") as answer:
            assert "alice" not in await answer.text()
        async with http.delete("/fake/rooms/lobby"), http.get("/fake") as answer:
            assert (await answer.text()).startswith("no rooms")


async def test_workers_and_faults_come_over_http() -> None:
    """In the words of the options."""
    async with controlled() as (livekit, http):
        await http.post("/fake/workers", data="greeter:accept_after=0,join_after=0")
        await http.post("/fake/faults", data="lose_webhooks:times=2")
        await livekit.rooms.open("lobby", agents=["greeter"])
        await livekit.wait_until(lambda: livekit.rooms.agents_in("lobby"))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("DELETE", "/fake/rooms/lobby", "", 404, "not here: lobby"),
        ("DELETE", "/fake/rooms/lobby/alice", "", 404, "not here: lobby"),
        ("POST", "/fake/rooms/lobby/alice", "{", 400, "Input data was truncated"),
        ("POST", "/fake/rooms/lobby/alice", '{"kind": "GHOST"}', 400, "GHOST"),
        ("POST", "/fake/faults", "x", 400, "no fault is called 'x'"),
        ("POST", "/fake/workers", ":x", 400, "a worker has a name"),
    ],
)
async def test_what_cannot_be_done_is_said(method: str, path: str, body: str, status: int, says: str) -> None:
    """With 404 for what is not there, and 400 for what is wrong."""
    async with controlled() as (_, http), http.request(method, path, data=body) as answer:
        assert answer.status == status
        assert says in await answer.text()


async def until(claim: Callable[[], bool]) -> None:
    """The claim is true."""
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0.01)


async def test_the_command_serves_as_its_options_say_and_tells_what_it_does() -> None:
    """A webhook is lost, the other one told; SIGTERM ends it with 0."""
    got: list[str] = []

    async def take(request: web.Request) -> web.Response:
        got.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhook", take)
    written: list[str] = []
    async with TestServer(app) as server:
        typed = ("--port=0", f"--url={server.make_url('/')}", "--worker=greeter", "--fault=lose_webhooks", "--speed=10")
        serving = asyncio.create_task(fake_livekit.serve(options(*typed, "--join=lobby/alice"), written.append))
        await until(lambda: "".join(written).count("webhook  ") == 2)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await serving == 0

    said = "".join(written)
    assert "LIVEKIT_API_KEY=devkey" in said
    assert "webhook  room_started of lobby: lost\n" in said
    assert "webhook  participant_joined of lobby: delivered 200\n" in said
    assert got == ["/webhook"]


@pytest.mark.parametrize(
    ("typed", "code", "says"), [("--worker=:x", 2, "a worker has a name"), ("--host=192.0.2.1", 1, "192.0.2.1 port")]
)
def test_what_cannot_be_served_ends_it(typed: str, code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason."""
    assert main(["fake-livekit", typed, "--port", str(free_port())]) == code
    assert says in capsys.readouterr().err


def test_a_release_is_read_as_livekit_writes_it() -> None:
    """With or without its v."""
    assert options("--like", "v1.12.3").like == options("--like", "1.12.3").like == (1, 12, 3)


def test_the_keys_of_the_fake_are_those_that_it_prints() -> None:
    """So that a service started with them is believed."""
    assert dict(config("http://x", rule("greeter")).projects[0].keys) == {
        key: Secret(secret) for key, secret in DEV_KEYS.items()
    }
