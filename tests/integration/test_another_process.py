"""Two processes that know nothing of each other, on one LiveKit: the one that notices says what to do."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dispatcher.app import running
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit
from tests.integration.house import Ears, House, config, house, rule

NOTICED = "instance.shared"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiveKit's clock is ours: a room that begins now began after the process. Its times are whole milliseconds."""
    monkeypatch.setattr("dispatcher.engine.neighbours.APART_MS", -5)


@asynccontextmanager
async def second(livekit: FakeLiveKit, *, dry_run: bool = False) -> AsyncIterator[House]:
    """Another service on the same LiveKit, which hears no webhooks: its sweep finds the rooms."""
    ears = Ears()
    settings = config(livekit.url, rule("greeter"), sweep_every=100)
    async with running(settings, Log(ears.hear, time.time), version="test", dry_run=dry_run) as service:
        yield House(livekit, service, ears)


async def served(here: House, room: str) -> None:
    """Somebody is in the room, and the first service has given them their agent."""
    await here.livekit.rooms.join(room, "alice")
    await here.told("agent.joined", room=room)


async def test_another_process_with_a_ledger_of_its_own_is_found_out() -> None:
    """By a dispatch that bears our tag and that we have not made: told once a minute, and to whoever asks."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        async with second(here.livekit) as there:
            for room in ("lobby", "atrium"):
                await served(here, room)
                await there.told("dispatch.adopted", room=room)
            line = await there.told(NOTICED)
            await there.quiet()
            assert [one for one in there.lines if one["action"] == NOTICED] == [line]
            assert (line["level"], line["room"]) == ("error", "lobby")
            assert "set REDIS_URL" in line["msg"]
            assert [len(here.livekit.rooms.agents_in(room)) for room in ("lobby", "atrium")] == [1, 1]


async def test_our_own_dispatches_of_before_a_restart_are_no_sign() -> None:
    """The room began before the process did: it may have been us."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await served(here, "lobby")
        async with second(here.livekit) as there:
            await there.told("dispatch.adopted", room="lobby")
            await there.quiet()
            assert [line for line in there.lines if line["action"] == NOTICED] == []


async def test_a_dry_run_may_be_beside_us() -> None:
    """It is meant to, and sees what we have made."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        async with second(here.livekit, dry_run=True) as there:
            await served(here, "lobby")
            await there.told("dispatch.adopted", room="lobby")
            await there.quiet()
            assert [line for line in (*here.lines, *there.lines) if line["action"] == NOTICED] == []
