"""Several projects in one service: each has its LiveKit, rules and limit, and one's trouble is not the others'."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest
from msgspec.structs import replace

from dispatcher.app import running
from dispatcher.config import ApiRateLimit, Config, Project, Secret
from dispatcher.core.rules import Rule
from dispatcher.telemetry.logs import Log
from dispatcher.testing import FakeLiveKit, Timings
from tests.integration.house import SPEED, Ears, House, config, house, rule, swept

EU = {"APIeu": "e" * 32}
US = {"APIus": "u" * 32}
MANY = 300

Trouble: TypeAlias = Callable[[FakeLiveKit], None]


def fake(keys: Mapping[str, str]) -> FakeLiveKit:
    """A fast fake LiveKit with these keys."""
    return FakeLiveKit(keys=keys, timings=Timings(speed=SPEED, webhook_max_age=3000.0))


def project(name: str, livekit: FakeLiveKit, keys: Mapping[str, str], **fields: object) -> Project:
    """The project at this LiveKit."""
    made = Project(name=name, url=livekit.url, keys={key: Secret(secret) for key, secret in keys.items()})
    return replace(made, **fields)


@asynccontextmanager
async def serving(settings: Config, *livekits: FakeLiveKit) -> AsyncIterator[House]:
    """A service of these projects; the house's LiveKit is the first."""
    ears = Ears()
    async with running(settings, Log(ears.hear, time.time), version="test") as service:
        for livekit in livekits:
            livekit.webhook_url = f"{service.url}/webhook"
        await swept(*livekits)
        yield House(livekits[0], service, ears)


@asynccontextmanager
async def two(*rules: Rule, **fields: object) -> AsyncIterator[tuple[House, FakeLiveKit, FakeLiveKit]]:
    """Projects eu and us; `fields` are eu's own."""
    async with fake(EU) as eu, fake(US) as us:
        projects = (project("eu", eu, EU, **fields), project("us", us, US))
        settings = replace(config("", *(rules or (rule("greeter"),))), projects=projects)
        async with serving(settings, eu, us) as here:
            yield here, eu, us


async def test_each_project_has_its_own_rules() -> None:
    """The same room name in both: two sessions, two agents, each of its own rules and at its own LiveKit."""
    async with two(rules=(rule("host", name="own"),)) as (here, eu, us):
        for livekit in (eu, us):
            livekit.workers.register("greeter")
            livekit.workers.register("host")
            await livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", project="eu", agent="host")
        await here.told("agent.joined", project="us", agent="greeter")
        assert [[asked.agent_name for asked in livekit.create_calls] for livekit in (eu, us)] == [["host"], ["greeter"]]
        metrics = await here.metrics()
        assert metrics['livekit_dispatcher_agents_joined_total{agent="host"}'] == 1


async def test_each_project_has_its_own_pauses() -> None:
    """An agent that is paused in one is given in the other."""
    async with two(paused=frozenset({"greeter"})) as (here, eu, us):
        for livekit in (eu, us):
            livekit.workers.register("greeter")
            await livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", project="us")
        await here.told("assignment.paused", project="eu")
        assert eu.create_calls == []


def refuses(livekit: FakeLiveKit) -> None:
    """Our key is none of its any more: 401 for everything."""
    livekit.faults.refuse(401, times=1_000_000)


def breaks(livekit: FakeLiveKit) -> None:
    """Every connection breaks."""
    livekit.faults.reset("*", times=1_000_000)


def hangs(livekit: FakeLiveKit) -> None:
    """Nothing is ever answered."""
    livekit.faults.lose_replies("*", times=1_000_000, hang=True)


@pytest.mark.slow("hundreds of rooms, three times")
@pytest.mark.parametrize("trouble", [refuses, breaks, hangs])
async def test_one_bad_project_does_not_stop_the_others(trouble: Trouble) -> None:
    """Hundreds of its rooms wait; the other's are served, and when it is well again so are its own."""
    async with two() as (here, eu, us):
        us.workers.register("greeter")
        trouble(eu)
        for number in range(MANY):
            await eu.rooms.join(f"room-{number}", "alice")
        await here.told("look.failed", project="eu", within=20)
        for number in range(20):
            await us.rooms.join(f"room-{number}", "alice")
        await us.wait_until(lambda: all(us.rooms.agents_in(f"room-{number}") for number in range(20)), within=20)
        metrics = await here.metrics()
        assert metrics['livekit_dispatcher_livekit_consecutive_failures{project="eu"}'] > 0
        assert metrics['livekit_dispatcher_livekit_consecutive_failures{project="us"}'] == 0
        assert eu.create_calls == []


async def test_a_project_whose_livekit_is_away_is_well_again_by_itself() -> None:
    """It is told once that it answers."""
    async with two() as (here, eu, _):
        eu.workers.register("greeter")
        await eu.stop_api()
        await eu.rooms.join("lobby", "alice")
        await here.told("look.failed", project="eu", why="unreachable")
        await eu.start_api()
        await here.told("agent.joined", project="eu")
        await here.told("look.recovered", project="eu")
        assert (await here.metrics())['livekit_dispatcher_livekit_consecutive_failures{project="eu"}'] == 0


async def test_a_projects_calls_keep_to_its_limit() -> None:
    """Looks, creates and the sweep's list: in no second more than a second's worth and a burst, and all are served."""
    limit = ApiRateLimit(calls_per_second=80, burst=8)
    async with two(api_rate_limit=limit) as (here, eu, _):
        eu.workers.register("greeter")
        times: list[float] = []
        seen = 0
        for number in range(20):
            await eu.rooms.join(f"room-{number}", "alice")

        def served() -> bool:
            nonlocal seen
            times.extend([time.monotonic()] * (len(eu.calls) - seen))
            seen = len(eu.calls)
            return all(eu.rooms.agents_in(f"room-{number}") for number in range(20))

        await eu.wait_until(served, within=20)
        assert len(eu.create_calls) == 20
        assert [line for line in here.lines if line["action"] == "attempt.ended"] == []
    busiest = max(sum(start <= instant < start + 1 for instant in times) for start in times)
    assert busiest <= (limit.calls_per_second + limit.burst) * 1.1, "a tenth for a busy machine's timers"


async def test_q5_a_livekit_that_says_too_much_is_left_alone() -> None:
    """Retry-After is kept for every room of the project; then all are served."""
    async with fake(EU) as livekit:
        settings = replace(config(""), rules=(rule("greeter"),), projects=(project("default", livekit, EU),))
        async with serving(settings, livekit) as here:
            livekit.workers.register("greeter")
            livekit.faults.refuse(429, retry_after=1.0)
            before, began = len(livekit.calls), time.monotonic()
            for number in range(10):
                await livekit.rooms.join(f"room-{number}", "alice")
            await here.told("look.failed", why="limited")
            await livekit.wait_until(lambda: all(livekit.rooms.agents_in(f"room-{n}") for n in range(10)), within=15)
            assert time.monotonic() - began > 0.5
            refused = [call for call in livekit.calls[before:] if call.status == 429]
            assert len(refused) == 1


async def test_without_a_limit_nobody_waits_for_a_turn() -> None:
    """Off by default: the house has none."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        assert (await here.session("lobby")).slot_at == 0
