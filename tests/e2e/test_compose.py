"""deploy/compose/ does what docs/compose.md says: all but Docker and Grafana. How: tests/real/compose.py."""

import asyncio
import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from examples.join import Person, token
from tests.real.child import Child
from tests.real.compose import Compose, composed
from tests.real.prometheus import until_found
from tests.real.server import answers

STARTED_S = 60.0  # on a busy machine
SAID = {
    "prometheus": "ready to receive web requests",
    "alertmanager": "Listening on",
    "agent": "registered worker",
}
TAKEN = 'livekit_dispatcher_webhooks_total{{event="room_started", result="recorded", instance!="{}"}} > 0'
HELLO = "Hello alice. I am greeter, sent by rule everyone, attempt "
STARVED = "DispatcherAssignmentStarved"


def wait_until_ready(here: Compose) -> None:
    """A dispatcher is, as the load balancer tells it; who has no such page has said so in its log."""
    [balancer] = here.running["balancer"]
    ready = f"{here.url('balancer', '8080')}/readyz"
    balancer.wait_until(partial(answers, ready), ready, within=STARTED_S)
    for service, words in SAID.items():
        [child] = here.running[service]
        child.wait_until(partial(said, child, words), f"{service}: {words}", within=STARTED_S)


def said(child: Child, words: str) -> bool:
    """Whether its log has these words."""
    return words in child.output()


def join(here: Compose, room: str, heard: asyncio.Queue[str]) -> Person:
    """Alice, as a client on this machine."""
    variables = here.environment("agent")
    return Person(variables["LIVEKIT_URL"], token(variables, room, "alice"), lambda _, text: heard.put_nowait(text))


async def greeted(here: Compose, room: str) -> str:
    """What the room's agent says to who joins it."""
    heard = asyncio.Queue[str]()
    async with join(here, room, heard):
        return await asyncio.wait_for(heard.get(), 60)


def replica(here: Compose, instance: str) -> Child:
    """The dispatcher that Prometheus names so."""
    number = here.addresses("dispatcher").index(instance.partition(":")[0])
    return here.running["dispatcher"][number]


async def until_told(alertmanager: str, alert: str) -> dict[str, Any]:
    """The alert, as soon as it is there."""
    async with asyncio.timeout(90), aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{alertmanager}/api/v2/alerts", params={"filter": f"alertname={alert}"}) as answer:
                alerts: list[dict[str, Any]] = json.loads(await answer.text())
            if alerts:
                return alerts[0]
            await asyncio.sleep(0.2)


@pytest.mark.real
async def test_what_compose_starts_works_together(tmp_path: Path) -> None:
    """Who joins is served, also without one dispatcher; without the agent there is an alert at Alertmanager."""
    with composed(tmp_path) as here:
        assert here.left_out == {"grafana"}
        wait_until_ready(here)
        prometheus = here.url("prometheus", "9090")
        await until_found(prometheus, 'count(up{job="dispatcher"} == 1) == 2', 20)

        assert (await greeted(here, "lobby")).startswith(HELLO)
        taken = (await until_found(prometheus, TAKEN.format(""), 20))["metric"]["instance"]

        replica(here, taken).signal(signal.SIGKILL)
        assert (await greeted(here, "without-one")).startswith(HELLO)
        await until_found(prometheus, TAKEN.format(taken), 20)

        await until_found(prometheus, f'absent(ALERTS{{alertname="{STARVED}"}})', 60)
        here.running["agent"][0].stop()
        async with join(here, "without-agent", asyncio.Queue()):
            told = await until_told(here.url("alertmanager", "9093"), STARVED)
            assert told["labels"]["severity"] == "page"
            await until_found(prometheus, f'ALERTS{{alertname="{STARVED}", alertstate="firing"}}', 20)
