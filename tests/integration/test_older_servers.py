"""The main job on servers from 1.9.0 on: what they lack costs time at most, never an agent too many or too few."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dispatcher.core.rules import Rule
from dispatcher.testing import FakeLiveKit, JobOutcome, Timings
from dispatcher.testing.release import Version
from tests.integration.house import SPEED, House, house, rule

VERSIONS: dict[str, Version] = {
    "1.9.0": (1, 9),  # no rejections, no stamped name, no aborted connections
    "1.9.2": (1, 9, 2),
    "1.11.0": (1, 11),  # no deployments
    "1.12.0": (1, 12),  # no iat
    "1.13.0": (1, 13),  # no attributes: nothing of ours is tagged
    "1.13.5": (1, 13, 5),
    "1.13.11": (1, 13, 11),
}
pytestmark = pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)


@asynccontextmanager
async def served_by(version: Version, *rules: Rule) -> AsyncIterator[House]:
    """The service runs beside a server of this version."""
    async with (
        FakeLiveKit(timings=Timings(speed=SPEED), version=version) as livekit,
        house(*rules, livekit=livekit) as here,
    ):
        yield here


async def one_agent(here: House) -> None:
    """Exactly one agent is in the lobby, and nothing is owed that would change it."""
    await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 1, within=15)
    await here.idle()
    assert len(here.livekit.rooms.agents_in("lobby")) == 1


async def test_who_joins_gets_their_agent(version: Version) -> None:
    """One webhook, one dispatch, one agent."""
    async with served_by(version) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        await one_agent(here)
        assert len(here.livekit.create_calls) == 1
        metrics = await here.metrics()
    assert metrics['livekit_dispatcher_webhooks_total{event="participant_joined",result="recorded"}'] >= 1


@pytest.mark.parametrize("names_itself", [True, False])
async def test_an_agent_whose_job_is_listed_late(version: Version, *, names_itself: bool) -> None:
    """Its name, where it has one, or else its job says whose it is: there is no second one."""
    async with served_by(version) as here:
        here.livekit.workers.register("greeter", list_after=6.0, names_itself=names_itself)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", within=15)
        await one_agent(here)
        assert len(here.livekit.create_calls) == 1


async def test_a_silent_drop_is_healed(version: Version) -> None:
    """Nothing ever comes of the first dispatch: the next one brings the agent."""
    async with served_by(version) as here:
        here.livekit.workers.register("greeter", drop=1)
        await here.livekit.rooms.join("lobby", "alice")
        assert (await here.told("agent.joined", room="lobby"))["number"] == 2
        await one_agent(here)


async def test_a_crashed_agent_is_replaced(version: Version) -> None:
    """It leaves with CONNECTION_TIMEOUT, and another comes."""
    async with served_by(version) as here:
        here.livekit.workers.register("greeter", JobOutcome.CRASHES, JobOutcome.SERVES, stay=2.0, ghost=4.0)
        await here.livekit.rooms.join("lobby", "alice")
        assert await here.told("attempt.ended", room="lobby", verdict="crashed", reason="connection_timeout")
        await here.told("agent.joined", room="lobby", number=2)
        await one_agent(here)


async def test_a_lost_reply_adds_no_agent(version: Version) -> None:
    """CreateDispatch was executed and nobody heard of it: what it made is found, with a tag or without."""
    async with served_by(version) as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.lose_replies("CreateDispatch")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", within=15)
        await one_agent(here)
        assert len(here.livekit.create_calls) == 1


async def test_of_two_agents_one_is_removed(version: Version) -> None:
    """The agent of an attempt that was given up comes after all, and so does the next: exactly one stays."""
    async with served_by(version) as here:
        here.livekit.workers.register("greeter", accept_after=0.2, list_after=26.0, join_after=30.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", room="lobby", verdict="silent")
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 2, within=15)
        await here.told("attempt.retracted", room="lobby", part="agent", within=15)
        await one_agent(here)


async def test_a_worker_that_says_no_makes_way_for_the_fallback(version: Version) -> None:
    """At once where the server lists its no; where not, when nobody has come."""
    async with served_by(version, rule("busy", "greeter", attempts=1)) as here:
        here.livekit.workers.register("busy", JobOutcome.REJECTS)
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", agent="greeter")
        await one_agent(here)
        verdict = (await here.told("attempt.ended", room="lobby", agent="busy"))["verdict"]
    assert verdict == ("silent" if version < (1, 9, 2) else "rejected")


async def test_a_restart_adds_no_agent(version: Version) -> None:
    """All memory is gone, in the middle of an attempt: what LiveKit shows is adopted (law 10)."""
    async with FakeLiveKit(timings=Timings(speed=SPEED), version=version) as livekit:
        livekit.workers.register("greeter", accept_after=6.0)
        async with house(livekit=livekit):
            await livekit.rooms.join("lobby", "alice")
            await livekit.wait_until(lambda: livekit.create_calls)
        async with house(livekit=livekit) as here:
            await here.told("dispatch.adopted", room="lobby")
            await here.told("agent.joined", room="lobby")
            await one_agent(here)
            assert len(livekit.create_calls) == 1
