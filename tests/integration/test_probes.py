"""Agents that are asked for before callers do: on the fake LiveKit, with the whole service."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.cli.main import main
from dispatcher.config import LedgerAt, ProbeSettings
from dispatcher.core.facts import PROBE_ROOMS
from dispatcher.core.rules import Target
from dispatcher.ledger.redis import address
from dispatcher.testing import FakeLiveKit, JobOutcome, Timings
from tests.integration.house import SPEED, TOKEN, Ears, House, config, house, rule
from tests.integration.test_agents import agents, ready, service_of
from tests.integration.test_steering import answered, asking
from tests.real.valkey import running_valkey

GREETER = ProbeSettings(targets=(Target("greeter"),))
CALLERS = (  # what is counted of callers
    "dispatches_total", "agents_joined_total", "time_to_agent_seconds_count", "assignments",
    "assignments_starved_total", "agents_left_total", "surplus_agents_total", "targets_bypassed_total",
    "sweep_repairs_total",
)  # fmt: skip


async def gone(home: House) -> None:
    """No room is left."""
    await home.livekit.wait_until(lambda: not home.livekit.rooms.names(), within=20)


def opened(livekit: FakeLiveKit) -> int:
    """How many rooms were asked for."""
    return sum(call.method == "CreateRoom" for call in livekit.calls)


async def probe_of(home: House, agent: str = "greeter") -> dict[str, Any]:
    """What the API shows of the agent's probes."""
    async with asking(home) as http:
        [target] = (await agents(http))[agent]["targets"]
    told: dict[str, Any] = target["probe"]
    return told


async def counted_of_callers(home: House) -> dict[str, float]:
    """What is counted of callers and is not 0."""
    return {series: value for name in CALLERS for series, value in (await home.counted(name)).items()}


async def test_an_agent_that_comes_is_told_and_its_room_ends() -> None:
    """How soon it came, in the log, by the metrics and by the API; and what the agent was told."""
    async with house(probe=GREETER) as home:
        home.livekit.workers.register("greeter")
        requested = await home.told("dispatch.requested", within=20)
        served = await home.told("probe.served", within=20, agent="greeter", room=requested["room"])
        await gone(home)
        told = await probe_of(home)
        counted = await home.counted("probes_total")
        seconds = await home.counted("probe_seconds_count")
        [call] = [call for call in home.livekit.calls if call.method == "CreateRoom"]

    assert requested["room"].startswith(f"{PROBE_ROOMS}default:")
    assert (told["result"], told["took_ms"], told["failures"]) == ("served", served["duration_ms"], 0)
    assert (told["room"], told["why"], told["last_served_at"]) == (requested["room"], None, told["at"])
    assert told["sentence"].startswith("a probe got it ")
    assert list(counted.values()) == list(seconds.values()) == [1]
    assert call.status == 200


async def test_it_counts_nowhere_as_a_caller_and_its_room_is_hidden() -> None:
    """Neither in the metrics, nor in the last hour, `/v1/stats`, the list of rooms or what is announced."""
    async with house(probe=GREETER) as home, asking(home) as http:
        home.livekit.workers.register("greeter", JobOutcome.RAISES)
        failed = await home.told("probe.failed", within=20, result="failed")
        await gone(home)
        _, stats = await answered(http, "GET", "/v1/stats")
        _, listed = await answered(http, "GET", "/v1/rooms")
        _, sought = await answered(http, "GET", f"/v1/rooms?q={PROBE_ROOMS}")
        row = (await agents(http))["greeter"]
        _, room = await answered(http, "GET", f"/v1/rooms/{failed['room']}")
        counted = await counted_of_callers(home)

    assert counted == {}
    assert (set(stats["ledger"]["assignments"].values()), stats["ledger"]["oldest_wait"]) == ({0}, None)
    assert (listed["rooms"], sought["rooms"]) == ([], [])
    assert (row["assignments"], row["last_hour"]["served"], row["last_hour"]["failed"]) == ({}, 0, 0)
    assert "attempt.ended" in [one["event"] for one in room["sessions"][0]["timeline"]]


@pytest.mark.parametrize(
    ("outcome", "result", "why"),
    [
        (JobOutcome.DROPS, "silent", "No worker took the job"),
        (JobOutcome.NEVER_SHOWS, "no_show", "A worker took the job and no agent joined"),
        (JobOutcome.REJECTS, "rejected", "The worker of `greeter` said no"),
    ],
)
async def test_an_agent_that_does_not_come_is_told_with_the_likeliest_cause(
    outcome: JobOutcome, result: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Silence, too; and whoever lists the agents sees it, and which room explains more."""
    monkeypatch.setenv("DISPATCHER_API_TOKEN", TOKEN)
    async with house(probe=GREETER) as home:
        home.livekit.workers.register("greeter", outcome)
        failed = await home.told("probe.failed", within=20, agent="greeter")
        await gone(home)
        told = await probe_of(home)
        assert await asyncio.to_thread(main, ["agents", "--url", home.service.url]) == 0
        _, row, *lines = capsys.readouterr().out.splitlines()
        assert await asyncio.to_thread(main, ["explain", failed["room"], "--url", home.service.url]) in {0, 1}
        explained = capsys.readouterr().out

    assert (failed["result"], failed["level"]) == (result, "warning")
    assert why in failed["why"]
    assert (told["result"], told["failures"], told["why"]) == (result, 1, failed["why"])
    assert f"{result}, " in row
    assert lines == [f"greeter: {told['sentence']}", f"  dispatcher explain {failed['room']}"]
    assert "environment ordered" not in explained
    assert "probe ordered greeter over the API" in explained


async def test_a_slow_agent_is_waited_for() -> None:
    """As long as a caller's would be, and the time is told."""
    async with house(probe=GREETER) as home:
        home.livekit.workers.register("greeter", join_after=12.0)  # 0.6 s here
        served = await home.told("probe.served", within=20)

    assert served["duration_ms"] >= 600


async def test_where_livekit_has_no_room_for_it_that_is_told() -> None:
    """Nobody was asked for: it says nothing of the agent, and something all the same."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.faults.fail("CreateRoom", 503)
        async with house(probe=GREETER, livekit=livekit) as home:
            failed = await home.told("probe.failed", within=20)
            told = await probe_of(home)

    assert (failed["result"], failed["why"]) == (
        "livekit_failing",
        "There was no room to be had in LiveKit (CreateRoom: server).",
    )
    assert (told["failures"], told["room"]) == (1, None)


async def test_a_room_of_which_nobody_knows_whether_it_was_opened_is_ended() -> None:
    """The reply is lost, and the room is there."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.faults.lose_replies("CreateRoom")
        async with house(probe=GREETER, livekit=livekit) as home:
            await home.told("probe.failed", within=20, result="livekit_failing")
            await gone(home)


async def test_a_room_that_cannot_be_ended_ends_by_itself() -> None:
    """Though its agent stays: nobody else was ever in it. So it is where the process was killed."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.faults.fail("DeleteRoom", 503, 5)
        livekit.workers.register("greeter", JobOutcome.SERVES)
        async with house(probe=GREETER, livekit=livekit) as home:
            await home.told("probe.served", within=20)
            assert home.livekit.rooms.names()
            await gone(home)


async def test_a_service_that_stops_ends_the_room() -> None:
    """The probe is over, and says nothing."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        async with house(probe=GREETER, livekit=livekit) as home:
            await home.told("dispatch.requested", within=20)
            livekit.webhook_url = None
        assert livekit.rooms.names() == []
        assert {"probe.served", "probe.failed"}.isdisjoint(line["action"] for line in home.lines)


@pytest.mark.parametrize("probe", [None, GREETER], ids=["none-is-configured", "a-dry-run"])
async def test_no_room_is_made(probe: ProbeSettings | None) -> None:
    """Where nobody wants it, while others' rooms are swept."""
    async with house(probe=probe, dry_run=probe is not None, sweep_every=300) as home:
        await home.livekit.wait_until(
            lambda: sum(call.method == "ListRooms" for call in home.livekit.calls) > 4, within=20
        )
        assert opened(home.livekit) == 0


async def test_who_is_paused_is_not_asked_for() -> None:
    """The others are."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("greeter")
        livekit.workers.register("sales")
        both = ProbeSettings(targets=(Target("greeter"), Target("sales")))
        settings = config(livekit.url, rule("greeter"), probe=both)
        [project] = settings.projects
        settings = replace(settings, projects=(replace(project, paused=frozenset({"greeter"})),))
        async with service_of(settings) as (service, ears):
            await House(livekit, service, ears).told("probe.served", within=20, agent="sales")
        asked = {line["agent"] for line in ears.lines if line["action"] == "dispatch.requested"}

    assert asked == {"sales"}


async def test_a_probe_that_somebody_cancels_has_failed_nobody() -> None:
    """It was interrupted; it is told, and counts neither way."""
    async with house(probe=GREETER) as home, asking(home) as http:
        home.livekit.workers.register("greeter", JobOutcome.NEVER_SHOWS)
        requested = await home.told("dispatch.requested", within=20)
        await answered(http, "DELETE", f"/v1/rooms/{requested['room']}/assignments/{requested['assignment']}")
        await home.told("probe.interrupted", within=20)
        await gone(home)
        assert (await agents(http))["greeter"]["targets"][0]["probe"] is None


def served(*ears: Ears) -> list[dict[str, Any]]:
    """What these services say of probes that were served."""
    return [line for one in ears for line in one.lines if line["action"] == "probe.served"]


async def test_of_two_replicas_one_probes(tmp_path: Path) -> None:
    """And both show what came of it."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("greeter")
        with running_valkey(tmp_path) as valkey:
            settings = replace(
                config(livekit.url, rule("greeter"), probe=GREETER), ledger=LedgerAt("redis", address.read(valkey.url))
            )
            async with service_of(settings) as (one, heard_one), service_of(settings) as (other, heard_other):
                livekit.webhook_url = f"{one.url}/webhook"
                await asyncio.gather(ready(one), ready(other))
                async with asyncio.timeout(20):
                    while not (lines := served(heard_one, heard_other)):
                        await asyncio.sleep(0.02)
                shown = [await probe_of(House(livekit, each, heard_one)) for each in (one, other)]
                await livekit.wait_until(lambda: not livekit.rooms.names(), within=20)
                livekit.webhook_url = None
        assert opened(livekit) == len(lines) == 1
    assert [each["took_ms"] for each in shown] == [lines[0]["duration_ms"]] * 2


async def test_no_rule_applies_in_such_a_room_and_nobody_orders_into_it() -> None:
    """Whoever made it: another installation's probes are none of our business."""
    room = f"{PROBE_ROOMS}another:1"
    async with house() as home, asking(home) as http:
        home.livekit.workers.register("greeter")
        await home.livekit.rooms.join(room, "alice")
        await home.livekit.rooms.join("lobby", "alice")
        await home.told("agent.joined", room="lobby")
        await home.idle()
        status, problem = await answered(http, "POST", "/v1/dispatches", json={"room": room, "agent": "greeter"})
        assert home.livekit.rooms.dispatches_in(room) == []

    assert (status, problem["field"]) == (422, "room")


async def test_two_in_vain_are_told_and_so_is_who_waits_for_the_same_agent() -> None:
    """`explain` of a caller's room joins what the room and the probes show."""
    often = replace(GREETER, every=10_100)  # 0.1 s for each
    async with house(rule("greeter", retry_every=60_000), probe=often) as home, asking(home) as http:
        await home.livekit.rooms.join("lobby", "alice")
        failing = await home.told("probe.failing", within=60, agent="greeter")
        _, told = await answered(http, "GET", "/v1/rooms/lobby")
        [line] = told["sessions"][0]["diagnosis"]

    assert (failing["level"], failing["probes"]) == ("error", 2)
    assert "Probes of `greeter` get none either, since " in line
