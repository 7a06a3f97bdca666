"""How the service starts, stays up and stops."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from msgspec.structs import replace

from dispatcher.app import Service, running
from dispatcher.config import Project, Secret
from dispatcher.engine.supervise import Supervisor
from dispatcher.livekit.webhook import sign
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics
from dispatcher.testing import DEV_KEYS, FakeLiveKit, Timings
from tests.integration.house import SPEED, Ears, config, house, rule, swept
from tests.unit.desk import until

EVENT = {
    "event": "participant_joined",
    "createdAt": "1795251778",
    "participant": {"sid": "PA_1", "identity": "alice", "state": "ACTIVE"},
}


async def post(http: aiohttp.ClientSession, service: Service, sid: str, key: str = "devkey") -> int:
    """The answer to a webhook of the room with this SID."""
    body = json.dumps({**EVENT, "id": f"EV_{sid}", "room": {"sid": sid, "name": f"room-{sid}"}}).encode()
    secret = DEV_KEYS["devkey"]
    token = sign(body, key=key, secret=secret, now=int(time.time() * 1000))
    async with http.post(f"{service.url}/webhook", data=body, headers={"Authorization": token}) as answer:
        return answer.status


async def ready(http: aiohttp.ClientSession, service: Service) -> tuple[int, Any]:
    """The answer of /readyz."""
    async with http.get(f"{service.url}/readyz") as answer:
        return answer.status, await answer.json()


async def test_it_stops_in_order() -> None:
    """Unready first; what runs ends, while webhooks are still taken; then nothing answers, and nothing is half done."""
    async with (
        FakeLiveKit(timings=Timings(speed=SPEED)) as livekit,
        AsyncExitStack() as stack,
        aiohttp.ClientSession() as http,
    ):
        ears = Ears()
        livekit.workers.register("greeter")
        service = await stack.enter_async_context(
            running(
                config(livekit.url, rule("greeter", confirm_within=5_000)), Log(ears.hear, time.time), version="test"
            )
        )
        livekit.webhook_url = f"{service.url}/webhook"
        await swept(livekit)
        livekit.faults.slow("CreateDispatch", 0.5 * SPEED)
        await livekit.rooms.join("lobby", "alice")
        await livekit.wait_until(lambda: livekit.create_calls)
        assert await ready(http, service) == (200, {"ready": True})
        stopping = asyncio.create_task(stack.aclose())
        await asyncio.sleep(0)
        assert await ready(http, service) == (503, {"ready": False, "reason": "draining"})
        assert await post(http, service, "RM_late") == 200
        assert not stopping.done()
        await stopping
        with pytest.raises(aiohttp.ClientConnectionError):
            await ready(http, service)
        counts = await service.ledger.counts()
        assert (counts.held, counts.due) == (0, 2), "the room that was asked for, and the late one, for others"
        told = [line["action"] for line in ears.lines if line.get("room") == "lobby"]
        found_by_chance = {"room.found", "session.found"}  # by the first sweep, if it comes before the webhook
        assert [one for one in told if one not in found_by_chance] == ["assignment.created", "dispatch.requested"]
        assert len(livekit.create_calls) == 1


async def test_an_address_in_use_is_an_error_and_disturbs_nobody() -> None:
    """The second does not start; the first goes on."""
    async with house() as here:
        taken = replace(config(here.livekit.url, rule("greeter")), port=urlsplit(here.service.url).port)
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            await AsyncExitStack().enter_async_context(running(taken, Log(here.ears.hear, time.time), version="test"))
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")


async def test_a_webhook_belongs_to_the_project_whose_key_signed_it() -> None:
    """Two projects, each with its key: the same room in both is two sessions."""
    keys = {"devkey": Secret(DEV_KEYS["devkey"])}
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit, aiohttp.ClientSession() as http:
        first = Project(name="first", url=livekit.url, keys=keys)
        second = Project(name="second", url=livekit.url, keys={"otherkey": keys["devkey"]})
        settings = replace(config(livekit.url, rule("greeter")), projects=(first, second))
        ears = Ears()
        async with running(settings, Log(ears.hear, time.time), version="test") as service:
            assert await post(http, service, "RM_1") == 200
            assert await post(http, service, "RM_2", key="otherkey") == 200
            assert await post(http, service, "RM_3", key="nobodys") == 401
            lives = [await service.ledger.list(project) for project in ("first", "second")]
    assert [[life.key.sid for life in found] for found in lives] == [["RM_1"], ["RM_2"]]


async def test_every_call_is_measured() -> None:
    """By method and result, and the creates on their own; the ledger's operations too."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.fail("ListDispatch", 500)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        metrics = await here.metrics()
    assert metrics["livekit_dispatcher_create_seconds_count"] == 1
    assert metrics['livekit_dispatcher_livekit_request_seconds_count{method="CreateDispatch",result="ok"}'] == 1
    assert metrics['livekit_dispatcher_livekit_request_seconds_count{method="ListDispatch",result="server"}'] == 1
    assert metrics['livekit_dispatcher_ledger_seconds_count{op="deliver"}'] >= 1
    assert metrics['livekit_dispatcher_build_info{version="test"}'] == 1


async def test_a_loop_survives_what_nobody_expected() -> None:
    """Counted and loud, without the error's text, and it goes on a second later; cancelled, it ends."""
    ears, metrics = Ears(), Metrics()
    turns: list[str] = []

    async def loop() -> None:
        turns.append("turn")
        if len(turns) == 1:
            raise ValueError("with a secret in it")
        await asyncio.Event().wait()

    async with Supervisor(Log(ears.hear, time.time), metrics) as supervisor:
        supervisor.start("sweep", loop)
        await until(lambda: len(turns) == 2)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    (line,) = ears.lines
    assert (line["level"], line["action"], line["loop"], line["error"]) == (
        "error",
        "loop.failed",
        "sweep",
        "ValueError",
    )
    assert "secret" not in json.dumps(ears.lines)
    text = metrics.exposition()[0].decode()
    assert 'livekit_dispatcher_loop_errors_total{loop="sweep"} 1.0' in text


async def test_a_rule_that_fails_when_judged_stops_nobody_else() -> None:
    """Its session's drive is counted as failed; the next room is served."""
    odd = replace(rule("greeter"), when=lambda room, _: room.name != "odd" or bool(1 // 0))
    async with house(odd) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("odd", "alice")
        assert (await here.told("drive.failed"))["error"] == "ZeroDivisionError"
        await here.livekit.rooms.join("lobby", "bob")
        await here.told("agent.joined", room="lobby")
        assert (await here.metrics())['livekit_dispatcher_loop_errors_total{loop="drive"}'] >= 1


async def test_no_more_sessions_are_driven_at_once_than_it_was_told() -> None:
    """With one place, a room whose look hangs holds the next one up; what came meanwhile is served afterwards."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("greeter")
        ears = Ears()
        one = replace(config(livekit.url, rule("greeter")), concurrency=1)
        async with running(one, Log(ears.hear, time.time), version="test") as service:
            livekit.webhook_url = f"{service.url}/webhook"
            await swept(livekit)
            livekit.faults.lose_replies("ListParticipants", hang=True)
            for room in ("first", "second"):
                await livekit.rooms.join(room, "alice")
            await livekit.wait_until(lambda: livekit.rooms.agents_in("first") and livekit.rooms.agents_in("second"))
            await until(lambda: sum(line["action"] == "agent.joined" for line in ears.lines) == 2)
    told = [line["action"] for line in ears.lines]
    assert told.index("look.failed") < told.index("assignment.created")
