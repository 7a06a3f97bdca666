"""Situations that the page is looked at in: played on a fake LiveKit, by the real service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from msgspec.structs import replace

from dispatcher.core.rules import Rule
from dispatcher.testing import FakeLiveKit, JobOutcome, Timings
from tests.integration.house import TOKEN, House, house, rule

HEADERS: Final = {"Authorization": f"Bearer {TOKEN}"}
ROOMS: Final = 18
LATER: Final = 3_600.0  # seconds: not while somebody looks


def line(prefix: str, *agents: str, name: str) -> Rule:
    """A rule for rooms whose names begin so, with limits that a picture can show."""
    written = rule(*agents, name=name, confirm_within=1_500, join_within=2_500, retry_every=4_000, attempts=2)
    return replace(written, when=lambda room, _: room.name.startswith(prefix))


RULES: Final = (
    line("sales", "sales", "overflow", name="sales-line"),
    line("help", "support", "greeter", name="support-line"),
    line("night", "night-desk", name="night-line"),
    rule("greeter", name="everyone-else", confirm_within=1_500, min_stay=500),
)


@asynccontextmanager
async def staged(speed: float = 2.0, *, sweep_every: int = 2_000) -> AsyncIterator[House]:
    """The service runs with RULES, and the workers of three agents are registered."""
    async with (
        FakeLiveKit(timings=Timings(speed=speed)) as livekit,
        house(*RULES, livekit=livekit, sweep_every=sweep_every) as here,
    ):
        for agent in ("support", "greeter"):
            livekit.workers.register(agent, stay=LATER)
        yield here


@asynccontextmanager
async def healthy() -> AsyncIterator[House]:
    """Agents come, and nobody waits."""
    async with staged() as here:
        here.livekit.workers.register("sales", stay=LATER)
        await fill(here)
        yield here


async def fill(here: House, rooms: int = ROOMS) -> None:
    """So many rooms have somebody in them, and each has its agent."""
    for number in range(rooms):
        name = ("help", "lobby")[number % 2] + f"-{number + 1}"
        await here.livekit.rooms.join(name, f"caller-{number}")
    await here.livekit.wait_until(
        lambda: all(here.livekit.rooms.agents_in(name) for name in here.livekit.rooms.names()), within=30
    )


@asynccontextmanager
async def starved() -> AsyncIterator[House]:
    """Somebody waits in three rooms: of two agents one has no worker, and the other says no; one agent is paused."""
    async with staged() as here:
        livekit = here.livekit
        livekit.workers.register("overflow", JobOutcome.REJECTS)
        livekit.workers.register("night-desk", stay=LATER)
        await fill(here, 8)
        await ordered(here, "POST", "/v1/agents/night-desk/pause", {"for": "2h", "reason": "deploy of the night desk"})
        await livekit.rooms.join("sales-4711", "alice")
        await livekit.rooms.join("sales-4711", "bob")
        await here.told("assignment.starved", room="sales-4711", within=30)
        await livekit.rooms.join("sales-0815", "carol", kind="SIP")
        await here.told("assignment.created", room="sales-0815", within=30)  # and so waits for longer than the next
        await livekit.rooms.join("night-7", "dave")
        await here.told("assignment.paused", room="night-7", within=30)
        yield here


async def ordered(here: House, method: str, path: str, body: object) -> None:
    """Somebody has ordered it over the API."""
    async with (
        aiohttp.ClientSession(here.service.admin_url, headers=HEADERS) as http,
        http.request(method, path, json=body) as answer,
    ):
        assert answer.status < 300, await answer.text()


async def recovered(here: House) -> str:
    """A room whose agent came after one that did not, was lost, and was replaced; somebody ordered another one, too."""
    livekit, room = here.livekit, "help-desk"
    livekit.workers.register("support", drop=1, stay=LATER)
    livekit.workers.register(
        "greeter", JobOutcome.CRASHES, JobOutcome.SERVES, accept_after=1.6, join_after=1.2, stay=4.0, ghost=4.0
    )
    livekit.workers.register("translator", accept_after=1.0, join_after=2.0, stay=LATER)
    await livekit.rooms.join(room, "erin")
    await here.told("agent.joined", room=room, within=30)
    await livekit.rooms.join(room, "frank", kind="SIP")
    await ordered(here, "POST", "/v1/dispatches?wait=10s", {"room": room, "agent": "translator"})
    await here.told("attempt.ended", room=room, verdict="crashed", within=30)
    await here.told("agent.joined", room=room, number=3, within=30)
    return room
