"""A person joins, the right agent comes, exactly one, and the service says so."""

import pytest
from msgspec.structs import replace

from dispatcher.testing import FakeLiveKit, JobOutcome, Timings
from tests.integration.house import SPEED, house, rule


async def test_who_joins_gets_the_agent_and_the_service_says_so() -> None:
    """One join: one dispatch, one agent, one line for each decision, and the time it took in the metrics."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        served = await here.told("agent.joined", room="lobby")
        assert len(here.livekit.rooms.agents_in("lobby")) == 1
        assert here.said("lobby") == ["assignment.created", "dispatch.requested", "agent.joined"]
        assert served["duration_ms"] >= 0
        metrics = await here.metrics()
    assert metrics['livekit_dispatcher_time_to_agent_seconds_count{agent="greeter"}'] == 1
    assert metrics['livekit_dispatcher_agents_joined_total{agent="greeter"}'] == 1
    assert metrics['livekit_dispatcher_webhooks_total{event="participant_joined",result="recorded"}'] >= 1


@pytest.mark.parametrize(("reads_room", "rooms_listed"), [(False, 0), (True, 2)])
async def test_one_ordinary_join_costs_five_calls(*, reads_room: bool, rooms_listed: int) -> None:
    """Look, create, and a look when the agent has joined: not one call more, but for what a rule reads of the room."""
    async with house(replace(rule("greeter"), reads_room=reads_room)) as here:
        here.livekit.workers.register("greeter", accept_after=0.02, join_after=1.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        await here.quiet()
        assert (await here.metrics())["livekit_dispatcher_late_looks_total"] == 0
        service_calls = [call.method for call in here.livekit.calls]
    sweep = ["ListRooms"]  # at the start
    look = ["ListParticipants", "ListDispatch"]
    assert sorted(service_calls) == sorted([*sweep, *2 * look, *rooms_listed * ["ListRooms"], "CreateDispatch"])


async def test_i1_five_copies_of_a_webhook_make_one_dispatch() -> None:
    """The same event, delivered five times, is one event."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.duplicate_webhooks(5, "participant_joined")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        await here.quiet()
        assert len(here.livekit.create_calls) == 1


async def test_d1_d4_a_silent_drop_is_healed() -> None:
    """LiveKit says 200 and nothing ever happens: the next attempt brings the agent."""
    async with house() as here:
        here.livekit.workers.register("greeter", drop=2)
        await here.livekit.rooms.join("lobby", "alice")
        served = await here.told("agent.joined")
        assert served["number"] == 3
        assert [line["verdict"] for line in here.lines if line["action"] == "attempt.ended"] == ["silent", "silent"]


async def test_d2_a_job_that_runs_is_no_proof() -> None:
    """JS_RUNNING and no participant: given up as a no-show."""
    async with house() as here:
        here.livekit.workers.register("greeter", JobOutcome.NEVER_SHOWS, JobOutcome.SERVES)
        await here.livekit.rooms.join("lobby", "alice")
        assert (await here.told("agent.joined"))["number"] == 2
        assert (await here.told("attempt.ended"))["verdict"] == "no_show"


async def test_d5_a_worker_that_starts_late_is_found() -> None:
    """No worker at all: starved, told, and retried until one registers."""
    async with house(rule("greeter", attempts=1)) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("assignment.starved")
        here.livekit.workers.register("greeter")
        await here.told("agent.joined")
        assert len(here.livekit.rooms.agents_in("lobby")) == 1


async def test_d7_a_worker_that_says_no_is_not_asked_twice() -> None:
    """Rejected: the fallback is asked at once."""
    async with house(rule("busy", "greeter")) as here:
        here.livekit.workers.register("busy", JobOutcome.REJECTS)
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", agent="greeter")
        assert [asked.agent_name for asked in here.livekit.create_calls] == ["busy", "greeter"]


async def test_a_tokens_dispatch_is_adopted() -> None:
    """A room that brings its agent along keeps that one, and gets no second."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.open("lobby", agents=["greeter"])
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        await here.quiet()
        assert here.livekit.create_calls == []
        assert len(here.livekit.rooms.agents_in("lobby")) == 1


async def test_t1_no_egress_ingress_agent_or_hidden_participant_asks_for_an_agent() -> None:
    """They are no people; the hidden one is none for us either."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        for kind in ("EGRESS", "INGRESS", "AGENT"):
            await here.livekit.rooms.join("lobby", kind.lower(), kind=kind)
        await here.livekit.rooms.join("lobby", "recorder", hidden=True)
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) >= 5)
        await here.idle()
        assert here.livekit.create_calls == []


async def test_w2_a_webhook_that_never_came_is_made_up_for() -> None:
    """The sweep finds the room and its person."""
    async with house(sweep_every=1_000) as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.lose_webhooks(2)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("session.repaired", room="lobby")
        await here.told("agent.joined", room="lobby")
        assert (await here.metrics())['livekit_dispatcher_sweep_repairs_total{kind="unknown_room"}'] == 1


async def test_w3_a_room_that_comes_back_is_another_session() -> None:
    """The name is the same, the SID is not: the old end does not touch the new life."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        await here.livekit.rooms.close("lobby")
        await here.livekit.rooms.join("lobby", "bob")
        await here.livekit.wait_until(lambda: len(here.livekit.create_calls) == 2)
        await here.livekit.wait_until(lambda: here.livekit.rooms.agents_in("lobby"))
        assert len(here.livekit.rooms.agents_in("lobby")) == 1


async def test_l4_a_person_who_comes_back_finds_an_agent() -> None:
    """The agent left because nobody was there: that is not the end of the assignment."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined")
        await here.livekit.rooms.leave("lobby", "alice")
        agent = here.livekit.rooms.agents_in("lobby")[0]
        await here.livekit.rooms.leave("lobby", agent.identity)
        await here.told("attempt.ended", verdict="ended", reason="client_initiated")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", number=2)
        assert len(here.livekit.rooms.agents_in("lobby")) == 1


async def test_a_dry_run_creates_nothing() -> None:
    """It says what it would have asked for."""
    async with house(dry_run=True) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.simulated", room="lobby", agent="greeter")
        assert here.livekit.create_calls == []


async def test_a_restart_adds_no_agent() -> None:
    """The memory is gone, and the sweep adopts what LiveKit shows (laws 9, 10)."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit:
        livekit.workers.register("greeter", accept_after=6.0)
        async with house(livekit=livekit):
            await livekit.rooms.join("lobby", "alice")
            await livekit.wait_until(lambda: livekit.create_calls)
        async with house(livekit=livekit) as here:
            await here.told("dispatch.adopted", room="lobby", reason="ours")
            await here.told("agent.joined", room="lobby")
            await here.quiet()
            assert len(livekit.create_calls) == 1
            assert len(livekit.rooms.agents_in("lobby")) == 1
