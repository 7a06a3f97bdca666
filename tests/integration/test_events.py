"""`GET /v1/events` from outside: over restarts, replicas and outages, with many who read and some who do not."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from msgspec.structs import replace

from dispatcher.app import Service
from dispatcher.client import Dispatcher, Happened
from dispatcher.config import LedgerAt
from dispatcher.core.pauses import Pause
from dispatcher.http import events as module
from dispatcher.http import feed, ports
from dispatcher.http.connection import ConnectionLimits
from dispatcher.ledger import changes
from dispatcher.ledger.changes import PausesChanged
from dispatcher.ledger.interface import Ledger, Telling
from dispatcher.ledger.redis import address
from dispatcher.testing import FakeLiveKit, Timings
from tests.integration.house import SPEED, TOKEN, House, config, house, rule
from tests.integration.test_agents import ready, service_of
from tests.integration.test_reload import GREETER, following, reload
from tests.integration.test_replicas import wait_ready
from tests.integration.test_steering import answered, asking, token, tokens
from tests.real.valkey import running_valkey

READERS = 200
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Listener:
    """Who listens at a service, and what they have heard."""

    def __init__(self, service: Service, **asked: str) -> None:
        self.dispatcher = Dispatcher(service.url, TOKEN)
        self.asked = asked
        self.heard: list[Happened] = []
        self._came = asyncio.Event()

    async def listen(self) -> None:
        """Until it is cancelled."""
        async with self.dispatcher, aclosing(self.dispatcher.events(**self.asked)) as happening:
            async for one in happening:
                self.heard.append(one)
                self._came.set()

    async def wait_for(self, event: str, within: float = 10.0) -> Happened:
        """The first event of this name, as soon as it comes."""
        try:
            async with asyncio.timeout(within):
                while True:
                    for one in self.heard:
                        if one.event == event:
                            return one
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise AssertionError(f"{event} did not come, but {self.heard}") from None

    @property
    def events(self) -> list[str]:
        return [one.event for one in self.heard]


@asynccontextmanager
async def listening(service: Service, **asked: str) -> AsyncIterator[Listener]:
    """Somebody listens, and the service knows it."""
    listener = Listener(service, **asked)
    before = await readers(service)
    task = asyncio.create_task(listener.listen())
    async with asyncio.timeout(10):
        while await readers(service) == before:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)  # the stream's head comes after the first reading
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def metric(service: Service, name: str) -> float:
    """What the service shows of it."""
    async with aiohttp.ClientSession() as http, http.get(f"{service.admin_url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"livekit_dispatcher_{name} "))


readers = partial(metric, name="event_readers")


async def announce(ledger: Ledger, number: int, agents: int = 1) -> None:
    """So many pauses are announced at once, whose reasons are long."""
    pause = Pause(by="ops", at=0, reason="x" * 200)
    changed = PausesChanged(project="default", begun={f"agent-{number}-{n}": pause for n in range(agents)})
    await ledger.replace_memo(f"of-the-test/{number}", None, b"memo", telling=Telling(change=changes.dump(changed)))


async def test_whoever_listens_hears_what_happens_in_a_room() -> None:
    """In the order in which it happens, with the words of the log; of other rooms only who has not named one."""
    async with house() as here, listening(here.service) as everything, listening(here.service, room="a/b") as one:
        here.livekit.workers.register("greeter")
        for room in ("lobby", "a/b"):
            await here.livekit.rooms.join(room, "alice")
            await here.told("agent.joined", room=room)
        joined = await one.wait_for("agent.joined")
        async with asyncio.timeout(5):
            while everything.events.count("agent.joined") < 2:
                await asyncio.sleep(0.01)

        assert one.events == ["assignment.created", "dispatch.requested", "agent.joined"]
        assert (joined.kind, joined.room, joined.agent, joined.project) == ("room", "a/b", "greeter", "default")
        assert joined.text.startswith("greeter is in the room (attempt 1)")
        assert {(each.room, each.event) for each in everything.heard} >= {("lobby", "agent.joined")}
        for room in ("lobby", "a/b"):
            logged = [action for action in here.said(room) if action in set(one.events)]
            assert [each.event for each in everything.heard if each.room == room] == logged


async def test_the_stream_is_as_browsers_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unbuffered, unkept, with an id to go on from at once, and a sign of life; a HEAD is not answered with it."""
    monkeypatch.setattr(module, "ALIVE_S", 0.2)
    async with house() as here, aiohttp.ClientSession(here.service.url, headers=BEARER) as http:
        async with http.get("/v1/events") as answer:
            assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
            lines = [(await answer.content.readline()).decode() for _ in range(5)]
        assert (await http.head("/v1/events")).status == 405
    first, alive = lines[1], lines[4]
    assert (lines[0], lines[2], lines[3]) == ("retry: 1000\n", "\n", ": alive\n")
    assert first.startswith("id: ")
    assert alive.split("-")[1:] == first.split("-")[1:]


async def test_pauses_are_heard_of() -> None:
    """With who ordered them, and why."""
    async with house() as here, listening(here.service) as listener, asking(here) as http:
        await answered(http, "POST", "/v1/agents/greeter/pause", json={"reason": "deploy"})
        await answered(http, "POST", "/v1/agents/greeter/resume")
        resumed = await listener.wait_for("agent.resumed")

        assert [one.kind for one in listener.heard] == ["pause", "pause"]
        assert "by environment" in listener.heard[0].text
        assert "deploy" in listener.heard[0].text
        assert resumed.text == "greeter is paused no longer: environment has resumed it"


@pytest.mark.parametrize(("query", "field"), [("rooom=lobby", "rooom"), ("project=other", "project")])
async def test_what_makes_no_sense_is_400(query: str, field: str) -> None:
    """The answer names the parameter."""
    async with house() as here, asking(here) as http:
        status, problem = await answered(http, "GET", f"/v1/events?{query}")
        assert (status, problem["field"]) == (400, field)


async def test_whose_token_is_for_other_projects_hears_nothing() -> None:
    """Nor may they listen whose token cannot read."""
    async with tokens(token("read", projects=frozenset({"other"}))) as here, listening(here.service) as listener:
        await here.livekit.rooms.join("lobby", "bob")
        await here.livekit.rooms.join("another", "bob")
        await here.told("agent.joined", room="another")
        await asyncio.sleep(0.6)
        assert listener.heard == []
    async with tokens(token("dispatch")) as here, asking(here) as http:
        assert (await answered(http, "GET", "/v1/events"))[0] == 403


async def test_whose_token_is_taken_away_is_cut_off(tmp_path: Path) -> None:
    """By a reload: at the next event, or sign of life."""
    ops = f"api_tokens: [{{name: ops, token: {'o' * 32}, scopes: [read]}}]\n"
    headers = {"Authorization": f"Bearer {'o' * 32}"}
    async with following(tmp_path, GREETER + ops) as (here, written), aiohttp.ClientSession(headers=headers) as http:
        async with http.get(f"{here.service.url}/v1/events") as answer:
            await reload(here, written, GREETER)
            await announce(here.service.ledger, 1)
            assert b"agent-1" not in await asyncio.wait_for(answer.content.read(), 5)
        assert (await http.get(f"{here.service.url}/v1/events")).status == 401


async def test_no_more_listen_than_there_are_places_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are told to come back; who asks for anything else is answered."""
    monkeypatch.setattr(ports, "READERS_OF", 1 / 500)
    async with house() as here, asking(here) as http, listening(here.service):
        async with http.get("/v1/events") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert (await answer.json())["error"] == "too_many_readers"
        assert (await answered(http, "GET", "/v1/rooms"))[0] == 200


async def test_a_stop_ends_all_streams_at_once() -> None:
    """It does not wait for who listens."""
    async with aiohttp.ClientSession(headers=BEARER) as http:
        async with house() as here:
            answers = [await http.get(f"{here.service.url}/v1/events") for _ in range(5)]
            began = time.monotonic()
        took = time.monotonic() - began
        assert {(await answer.content.read())[:5] for answer in answers} == {b"retry"}
    assert took < ports.GRACE_S


async def test_who_comes_back_goes_on_at_another_replica_and_after_a_restart(tmp_path: Path) -> None:
    """Nothing is missing, and nothing comes twice; the id is all that is needed."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("greeter")
        with running_valkey(tmp_path) as valkey:
            settings = replace(config(livekit.url, rule("greeter")), ledger=LedgerAt("redis", address.read(valkey.url)))
            async with service_of(settings) as (one, _), service_of(settings) as (other, ears):
                await asyncio.gather(ready(one), ready(other))
                livekit.webhook_url = f"{other.url}/webhook"
                here = House(livekit, other, ears)
                async with listening(one) as listener:
                    await livekit.rooms.join("first", "alice")
                    last = await listener.wait_for("agent.joined")
                await livekit.rooms.join("second", "alice")
                await here.told("agent.joined", room="second")
                async with listening(other, after=last.id) as listener:
                    last = await listener.wait_for("agent.joined")
                    assert {one.room for one in listener.heard} == {"second"}
                    assert len(listener.heard) == 3
                await livekit.rooms.join("third", "alice")
                await here.told("agent.joined", room="third")
                livekit.webhook_url = None
            async with service_of(settings) as (third, _):
                async with listening(third, after=last.id) as listener:
                    await listener.wait_for("agent.joined")
                assert [(one.room, one.event) for one in listener.heard] == [
                    ("third", event) for event in ("assignment.created", "dispatch.requested", "agent.joined")
                ]


async def test_while_redis_is_away_streams_stay_and_then_there_is_a_gap(tmp_path: Path) -> None:
    """Whoever comes meanwhile is let in; nobody is answered with an error. What happens then is heard of."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit, AsyncExitStack() as stack:
        valkey = stack.enter_context(running_valkey(tmp_path))
        settings = replace(config(livekit.url, rule("greeter")), ledger=LedgerAt("redis", address.read(valkey.url)))
        service, ears = await stack.enter_async_context(service_of(settings))
        await ready(service)
        before = await stack.enter_async_context(listening(service))
        valkey.process.stop()
        async with asyncio.timeout(5):
            while not [line for line in ears.lines if line["action"] == "ledger.failed"]:
                await asyncio.sleep(0.02)
        meanwhile = await stack.enter_async_context(listening(service))

        stack.enter_context(running_valkey(tmp_path, port=valkey.port))
        for listener in (before, meanwhile):
            assert (await listener.wait_for("gap")).kind == "gap"
        await wait_ready(service.url, within=10)
        livekit.workers.register("greeter")
        livekit.webhook_url = f"{service.url}/webhook"
        await livekit.rooms.join("lobby", "alice")
        for listener in (before, meanwhile):
            await listener.wait_for("agent.joined")
            assert listener.events.count("gap") == 1
        livekit.webhook_url = None
        assert await readers(service) == 2


@pytest.mark.slow("200 readers, until sockets hold no more")
async def test_of_two_hundred_readers_one_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others hear at once of what concerns them; the one is cut off in the time that every answer has."""
    limits = ConnectionLimits(read_within=2.0)
    monkeypatch.setattr(ports, "limits_here", lambda: limits)
    monkeypatch.setattr(feed, "EVERY_S", 0.02)
    async with house() as here, AsyncExitStack() as stack:
        address = urlsplit(here.service.url)
        stuck = stack.enter_context(socket.socket())
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.connect((address.hostname, address.port))
        stuck.sendall(f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, headers=BEARER))
        url = f"{here.service.url}/v1/events?room=lobby"
        others = [await http.get(url) for _ in range(READERS - 1)]
        assert {answer.status for answer in others} == {200}
        assert await readers(here.service) == READERS

        numbers = count()
        async with asyncio.timeout(60):
            while await readers(here.service) == READERS:  # until their socket and ours hold no more
                await announce(here.service.ledger, next(numbers), agents=160)
                await asyncio.sleep(0.03)
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        began = time.monotonic()
        async with asyncio.timeout(20):
            await asyncio.gather(*(answer.content.readuntil(b"agent.joined") for answer in others))
        heard_after = time.monotonic() - began
        metrics = await here.metrics()
        assert metrics['livekit_dispatcher_http_connections_ended_total{reason="slow_reader"}'] == 1
        assert heard_after < 10
        for answer in others:
            answer.close()
