"""The configuration changes under a running service: nothing is lost, nothing half done, and who waits goes on."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from dispatcher.app import running
from dispatcher.config import Source
from dispatcher.livekit.webhook import sign
from dispatcher.runtime.in_force import ConfigInForce
from dispatcher.telemetry.logs import Log
from dispatcher.testing import DEV_KEYS, FakeLiveKit, Timings, WebhookOutcome
from tests.integration.house import SPEED, TOKEN, Ears, House, config, rule, swept
from tests.unit.desk import PROJECT, Desk

KEY, SECRET = next(iter(DEV_KEYS.items()))
HASTE = "defaults: {confirm_within: 400ms, join_within: 900ms, min_stay: 0s, retry_every: 300ms}\ncreate_rate: null\n"
GREETER = "rules: [{name: all, agent: greeter}]\n"
BAD = "rules:\n- {name: all, agnet: greeter}\n"


class Written:
    """A configuration file, and what else its service knows."""

    def __init__(self, folder: Path, livekit: FakeLiveKit) -> None:
        self.file = folder / "dispatcher.yaml"
        self.project = f"projects: [{{url: '{livekit.url}', keys: {{{KEY}: {SECRET}}}}}]\n"
        environ = {"DISPATCHER_HOST": "127.0.0.1", "DISPATCHER_PORT": "0", "DISPATCHER_API_TOKEN": TOKEN}
        self.source = Source(self.file, environ)

    def write(self, text: str, project: str | None = None) -> None:
        """The file says this, beside the project and short limits; as an editor does it, by a rename."""
        other = self.file.with_name("other")
        other.write_text((self.project if project is None else project) + HASTE + text)
        other.rename(self.file)


@asynccontextmanager
async def following(folder: Path, text: str = GREETER) -> AsyncIterator[tuple[House, Written]]:
    """A service that follows its file."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        written = Written(folder, livekit)
        written.write(text)
        ears = Ears()
        settings = written.source.read()
        async with running(settings, Log(ears.hear, time.time), version="test", source=written.source) as service:
            livekit.webhook_url = f"{service.url}/webhook"
            await swept(livekit)
            yield House(livekit, service, ears), written


async def reload(here: House, written: Written, text: str, told: str = "config.reloaded") -> None:
    """The file says this, and the service has been told to read it, and says so."""
    written.write(text)
    before = len([line for line in here.lines if line["action"] == told])
    here.service.reload()
    async with asyncio.timeout(5):
        while len([line for line in here.lines if line["action"] == told]) == before:
            here.ears.said.clear()
            await here.ears.said.wait()


async def flipping(here: House, written: Written, over: asyncio.Event) -> int:
    """The file is another one, a bad one and itself again, until it is over; how many times it was read."""
    flips = 0
    while not over.is_set():
        host = GREETER.replace("greeter", "host")
        for text, told in ((host, "config.reloaded"), (BAD, "config.rejected"), (GREETER, "config.reloaded")):
            await reload(here, written, text, told)
            flips += 1
    return flips


async def posting(here: House, over: asyncio.Event) -> set[int]:
    """Webhooks one after the other, until it is over; how they were answered."""
    statuses: set[int] = set()
    async with aiohttp.ClientSession() as http:
        while not over.is_set():
            statuses.add(await post(here, http, KEY, SECRET))
    return statuses


async def post(here: House, http: aiohttp.ClientSession, key: str, secret: str) -> int:
    """The answer to a webhook signed with this key."""
    body = json.dumps({"event": "room_started", "id": f"EV_{time.time_ns()}", "room": {"name": "x", "sid": "RM_x"}})
    token = sign(body.encode(), key=key, secret=secret, now=int(time.time() * 1000))
    async with http.post(f"{here.service.url}/webhook", data=body, headers={"Authorization": token}) as answer:
        return answer.status


async def test_a_reload_under_traffic_loses_nothing(tmp_path: Path) -> None:
    """The file flips between good ones and bad ones; every webhook is 200, every room has exactly one agent."""
    async with following(tmp_path) as (here, written):
        here.livekit.workers.register("greeter")
        here.livekit.workers.register("host")
        rooms = [f"room-{number}" for number in range(60)]
        over = asyncio.Event()
        flips, statuses = asyncio.create_task(flipping(here, written, over)), asyncio.create_task(posting(here, over))
        for room in rooms:
            await here.livekit.rooms.join(room, "alice")
            await asyncio.sleep(0)
        await here.livekit.wait_until(lambda: all(here.livekit.rooms.agents_in(room) for room in rooms), within=60)
        over.set()
        assert await flips >= 3
        assert await statuses == {200}
        assert [len(here.livekit.rooms.agents_in(room)) for room in rooms] == [1] * len(rooms)
        assert {asked.room for asked in here.livekit.create_calls} == set(rooms)
        sent = [one for one in here.livekit.webhooks_sent if one.outcome is not WebhookOutcome.DROPPED]  # too old
        assert {one.status for one in sent} == {200}
        metrics = await here.metrics()
        assert metrics["livekit_dispatcher_config_last_reload_successful"] == 1
        assert not await here.counted("loop_errors_total")


async def test_a_file_that_changes_is_followed_by_itself(tmp_path: Path) -> None:
    """Nobody says so; the next room has the new agent. A bad one changes nothing, and says where (T4)."""
    async with following(tmp_path) as (here, written):
        here.livekit.workers.register("host")
        written.write(BAD)
        failed = await here.told("config.rejected")
        assert failed["problems"][0].endswith("rules[0].agent: missing")
        assert (await here.metrics())["livekit_dispatcher_config_last_reload_successful"] == 0
        written.write(GREETER.replace("greeter", "host"))
        await here.told("config.reloaded")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", agent="host")


async def test_a_live_assignment_keeps_the_policy_it_was_born_with(tmp_path: Path) -> None:
    """Its rule is gone and its agent dies: it is replaced by the same agent, without metadata, counted."""
    async with following(tmp_path, "rules: [{name: all, agent: greeter, metadata: room.metadata}]\n") as (
        here,
        written,
    ):
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.open("lobby", metadata="about the room")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        await reload(here, written, "rules: [{name: other, agent: host, kinds: [SIP]}]\n")
        agent = here.livekit.rooms.agents_in("lobby")[0]
        await here.livekit.rooms.leave("lobby", agent.identity, reason="CONNECTION_TIMEOUT")
        await here.told("agent.joined", number=2, agent="greeter")
        await here.told("rule.removed", assignment="all", room="lobby")
        assert [asked.metadata for asked in here.livekit.create_calls] == ["about the room", ""]
        gone = 'livekit_dispatcher_rule_errors_total{field="metadata",reason="rule_removed",rule="all"}'
        assert (await here.metrics())[gone] == 1


async def test_a_pause_by_reload_and_its_end(tmp_path: Path) -> None:
    """Who comes waits, who is served keeps the agent; taken out, it goes on within seconds, and nobody was alarmed."""
    async with following(tmp_path) as (here, written):
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("before", "alice")
        await here.told("agent.joined", room="before")
        await reload(here, written, f"{GREETER}paused: [greeter]\n")
        await here.livekit.rooms.join("lobby", "bob")
        await here.told("assignment.paused", room="lobby", agent="greeter")
        await here.idle()
        assert len(here.livekit.rooms.agents_in("before")) == 1
        assert here.livekit.rooms.agents_in("lobby") == []
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(here.service.url, headers=headers) as http:
            listed = await (await http.get("/v1/rooms?state=paused")).json()
            told = await (await http.get("/v1/rooms/lobby")).json()
        assert [room["room"] for room in listed["rooms"]] == ["lobby"]
        assert told["sessions"][0]["diagnosis"][0].startswith("Paused: bob (STANDARD) has waited for")
        began = time.monotonic()
        await reload(here, written, GREETER)
        await here.told("agent.joined", room="lobby")
        assert time.monotonic() - began < 5
        assert here.said("lobby") == [
            "assignment.created",
            "assignment.paused",
            "assignment.resumed",
            "dispatch.requested",
            "agent.joined",
        ]


async def test_a_pause_with_a_fallback(tmp_path: Path) -> None:
    """It is asked at once, in place of the paused one."""
    rules = "rules: [{name: all, agent: greeter, fallback: [host]}]\npaused: [greeter]\n"
    async with following(tmp_path, rules) as (here, _):
        here.livekit.workers.register("greeter")
        here.livekit.workers.register("host")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", agent="host")
        assert [asked.agent_name for asked in here.livekit.create_calls] == ["host"]


async def test_keys_are_rotated_without_a_lost_webhook(tmp_path: Path) -> None:
    """Both are known for a while; which one signs is seen; the old one taken out is unknown from then on (S5)."""
    keys = {"APIold": "o" * 32, "APInew": "n" * 32}
    old, new = keys

    def known(livekit: FakeLiveKit, *names: str) -> str:
        pairs = ", ".join(f"{name}: {keys[name]}" for name in names)
        return f"projects: [{{url: '{livekit.url}', keys: {{{pairs}}}}}]\n"

    def used(metrics: Mapping[str, float]) -> list[float]:
        name = "livekit_dispatcher_webhook_key_last_used_timestamp_seconds"
        return [at for series, at in metrics.items() if series.startswith(name)]

    async with following(tmp_path) as (here, written), aiohttp.ClientSession() as http:
        livekit = here.livekit
        written.project = known(livekit, old)
        await reload(here, written, GREETER)
        assert [await post(here, http, key, keys[key]) for key in keys] == [200, 401]
        written.project = known(livekit, old, new)
        await reload(here, written, GREETER)
        assert used(await here.metrics()) == [pytest.approx(time.time(), abs=10), 0]
        assert [await post(here, http, key, keys[key]) for key in keys] == [200, 200]
        assert used(await here.metrics()) == [pytest.approx(time.time(), abs=10)] * 2
        written.project = known(livekit, new)
        await reload(here, written, GREETER)
        assert [await post(here, http, key, keys[key]) for key in keys] == [401, 200]
        assert used(await here.metrics()) == [pytest.approx(time.time(), abs=10)]


async def test_the_apis_token_is_rotated_too(tmp_path: Path) -> None:
    """The one in the file now is the one that opens; without one there is no API."""
    async with following(tmp_path) as (here, written):
        environ = {name: value for name, value in written.source.environ.items() if name != "DISPATCHER_API_TOKEN"}
        token = tmp_path / "token"
        token.write_text("another-token")
        written.source.environ = environ | {"DISPATCHER_API_TOKEN_FILE": str(token)}

        async def asked(secret: str) -> int:
            headers = {"Authorization": f"Bearer {secret}"}
            async with aiohttp.ClientSession(headers=headers) as http:
                return (await http.get(f"{here.service.url}/v1/rooms")).status

        assert await asked(TOKEN) == 200
        await reload(here, written, GREETER)
        assert [await asked(TOKEN), await asked("another-token")] == [401, 200]
        written.source.environ = environ
        await reload(here, written, GREETER)
        assert await asked("another-token") == 404


async def test_identities_are_masked_from_the_next_line_on(tmp_path: Path) -> None:
    """In the log, the API and the story: a mark, the same in each; the room is found by its own name."""
    number = "+442079460000"
    rules = "rules: [{name: callers, agent: greeter, per: participant}]\nredact_identities: true\n"
    async with following(tmp_path, rules) as (here, _):
        here.livekit.workers.register("greeter")
        room = f"call-_{number}_x"
        await here.livekit.rooms.join(room, f"sip_{number}", kind="SIP")
        served = await here.told("agent.joined")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(here.service.url, headers=headers) as http:
            answer = await http.get(f"/v1/rooms/{room.replace('+', '%2B')}")
            shown = await answer.text()
            listed = await (await http.get("/v1/rooms")).text()
        assert answer.status == 200
        assert number.removeprefix("+") not in json.dumps(here.lines) + shown + listed
        assert served["assignment"].startswith("callers/#")
        assert shown.count(served["assignment"]) > 3
        assert served["room"] in listed


async def test_a_project_goes_and_another_comes(tmp_path: Path) -> None:
    """The new one's rooms are swept at once; the old one's agents stay, and its webhooks are nobody's."""
    keys = {"APIus": "u" * 32}
    async with (
        following(tmp_path) as (here, written),
        FakeLiveKit(keys=keys, timings=Timings(speed=SPEED)) as us,
        aiohttp.ClientSession() as http,
    ):
        for livekit in (here.livekit, us):
            livekit.workers.register("greeter")
            await livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", project="default")
        written.project = f"projects: [{{name: us, url: '{us.url}', keys: {{APIus: {keys['APIus']}}}}}]\n"
        await reload(here, written, GREETER)
        await here.told("session.found", project="us", room="lobby")
        await here.told("agent.joined", project="us")
        assert await post(here, http, KEY, SECRET) == 401
        assert len(here.livekit.rooms.agents_in("lobby")) == 1
        calls = len(here.livekit.calls)
        await here.told("webhook.rejected")
        await reload(here, written, GREETER)
        assert len(here.livekit.calls) == calls


async def test_a_ledger_that_cannot_be_asked_stops_no_reload() -> None:
    """The configuration is in force; whom its pauses concern the sweep finds."""
    desk = Desk()
    desk.watch.broken = True
    after = replace(
        desk.reconciler.holder.snapshot, projects={PROJECT: replace(desk.site(desk.livekit), paused=frozenset({"x"}))}
    )
    settings = config("", rule("greeter"))
    snapshots = iter((desk.reconciler.holder.snapshot, after))
    current = ConfigInForce(settings, lambda _: next(snapshots), desk.reconciler.recorder)
    await current.swap(desk.ledger, settings)
    assert current.holder.snapshot is after
    assert [line["why"] for line in desk.said("nudge.postponed")] == ["ledger_unavailable"]
