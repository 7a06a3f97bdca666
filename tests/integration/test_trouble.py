"""LiveKit answers late, wrongly, twice or not at all, and the room still has one agent."""

import time

import aiohttp
import pytest

from dispatcher.cli.explain import explain
from dispatcher.config import CreateRate
from dispatcher.livekit.webhook import sign
from dispatcher.testing import FakeLiveKit, JobOutcome, Timings
from tests.integration.house import SPEED, TOKEN, house, rule


async def test_i3_a_reply_that_was_lost_is_no_second_dispatch() -> None:
    """The dispatch happened and its answer did not: a look binds it by its tag."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.lose_replies("CreateDispatch", 1)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.unanswered", reason="broken")
        await here.told("dispatch.found", number=1)
        await here.told("agent.joined", number=1)
        await here.quiet()
        assert len(here.livekit.create_calls) == 1


async def test_i4_a_request_that_was_refused_costs_no_try() -> None:
    """429: the number is burnt, the try is not counted, and it goes on after the backoff."""
    async with house(rule("greeter", attempts=1)) as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.fail("CreateDispatch", 429)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", verdict="unsent", reason="limited")
        assert (await here.told("agent.joined"))["number"] == 2


async def test_q6_livekit_is_away_for_a_while() -> None:
    """Webhooks are taken, nothing is judged, and work goes on when it is back."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.stop_api()
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("look.failed", why="unreachable")
        await here.livekit.start_api()
        await here.told("agent.joined", room="lobby")
        assert here.said("lobby") == ["assignment.created", "dispatch.requested", "agent.joined"]


async def test_i9_a_look_that_failed_is_not_an_empty_room() -> None:
    """ListDispatch answers 500: nothing is created on the strength of that."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.open("lobby", agents=["greeter"])
        here.livekit.faults.fail("ListDispatch", 500, times=2)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("look.failed")
        await here.told("agent.joined", room="lobby")
        assert here.livekit.create_calls == []


async def test_q4_a_wrong_key_is_the_projects_trouble() -> None:
    """401: told as an error, and no attempt is blamed."""
    async with FakeLiveKit(timings=Timings(speed=SPEED)) as livekit, house(livekit=livekit) as here:
        livekit.workers.register("greeter")
        livekit.faults.fail("CreateDispatch", 401)
        await livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", verdict="unsent", reason="unauthorized")
        assignment = (await here.session("lobby")).assignments[0]
        assert assignment.tries == 0


async def test_d9_a_request_that_livekit_never_will_take() -> None:
    """400: on to the fallback at once."""
    async with house(rule("odd", "greeter")) as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.fail("CreateDispatch", 400)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", verdict="refused", reason="invalid")
        await here.told("agent.joined", agent="greeter")


async def test_d3_of_two_agents_the_first_stays() -> None:
    """The agent of an attempt that was given up comes after all, and so does the next: exactly one stays."""
    async with house() as here:
        here.livekit.workers.register("greeter", accept_after=0.2, list_after=20.0, join_after=24.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", verdict="silent")
        await here.told("agent.joined")
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 2)
        await here.told("attempt.retracted", part="agent")
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 1, within=15)


async def test_w4_a_late_event_revives_no_room() -> None:
    """The room is over: a look that does not list it leads to no CreateDispatch."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.delay_webhooks(10, "participant_joined")
        await here.livekit.rooms.join("lobby", "alice")
        here.livekit.faults.lose_webhooks(1, "room_finished")
        await here.livekit.rooms.close("lobby")
        await here.told("room.unlisted", room="lobby")
        await here.told("room.finished", room="lobby", reason="not_listed", within=8)
        assert here.livekit.create_calls == []
        assert here.livekit.rooms.names() == []


@pytest.mark.parametrize(("version", "why"), [((1, 13, 7), "api_delete"), ((1, 13, 5), "room_finished")])
async def test_why_a_room_has_ended_is_told_where_livekit_says_it(version: tuple[int, ...], why: str) -> None:
    """In the log, and in the story that explain tells."""
    livekit = FakeLiveKit(timings=Timings(speed=SPEED), version=version)
    async with livekit, house(livekit=livekit) as here:
        await livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.requested", room="lobby")
        await livekit.rooms.close("lobby")
        await here.told("room.finished", room="lobby", reason=why)
        written: list[str] = []
        await explain(here.service.url, TOKEN, "lobby", written.append)

        assert f"the room has ended: {why}" in "".join(written)


async def test_w4_an_agent_that_opens_its_dead_room_again_is_taken_back() -> None:
    """The room is deleted while the worker is asked: the agent comes all the same, and no dispatch says why."""
    async with house() as here:
        here.livekit.workers.register("greeter", accept_after=4.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.livekit.wait_until(lambda: here.livekit.create_calls)
        await here.livekit.rooms.close("lobby")
        await here.told("room.finished", room="lobby")
        await here.livekit.wait_until(lambda: here.livekit.rooms.agents_in("lobby"))
        belated = await here.told("agent.belated", room="lobby")
        await here.told("attempt.retracted", room="lobby", part="agent")
        await here.livekit.wait_until(lambda: not here.livekit.rooms.agents_in("lobby"))
        assert (belated["agent"], belated["number"]) == ("greeter", 1)
        assert "agent.unrequested" not in here.said("lobby")


async def test_a_forged_webhook_is_refused_by_name() -> None:
    """Signed with a key that is nobody's: 401, logged and counted, and the sweep is what finds the room."""
    async with house() as here:
        async with aiohttp.ClientSession() as http:
            forged = sign(b"{}", key="unknown", secret="x" * 32, now=int(time.time() * 1000))
            answer = await http.post(f"{here.service.url}/webhook", data=b"{}", headers={"Authorization": forged})
            assert (answer.status, await answer.json()) == (401, {"error": "unknown_key"})
        assert (await here.told("webhook.rejected"))["reason"] == "unknown_key"
        assert (await here.metrics())['livekit_dispatcher_webhooks_total{event="unknown",result="unknown_key"}'] == 1


async def test_l1_a_crashed_agent_is_replaced() -> None:
    """It stays ACTIVE as a ghost, leaves with CONNECTION_TIMEOUT, and another comes."""
    async with house() as here:
        here.livekit.workers.register("greeter", JobOutcome.CRASHES, JobOutcome.SERVES, stay=10.0, ghost=10.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", verdict="crashed", reason="connection_timeout")
        await here.told("agent.joined", number=2)
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 1)
        metrics = await here.metrics()
    assert metrics['livekit_dispatcher_agents_left_total{agent="greeter",reason="CONNECTION_TIMEOUT"}'] == 1


async def test_l2_an_agent_that_is_done_is_not_replaced() -> None:
    """It said so, and left of its own will: done, until somebody new comes."""
    async with house() as here:
        stay = 24.0  # longer than a second: webhooks tell time by seconds
        here.livekit.workers.register("greeter", JobOutcome.SAYS_DONE, stay=stay)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", verdict="finished", reason="client_initiated", done="said so: bye")
        await here.quiet()
        assert len(here.livekit.create_calls) == 1


async def test_l11_an_agent_that_left_without_a_word_is_replaced() -> None:
    """An exception, or a deploy: another comes, and stays."""
    async with house() as here:
        here.livekit.workers.register("greeter", JobOutcome.LEAVES, JobOutcome.SERVES, stay=24.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", verdict="left", reason="client_initiated")
        await here.told("agent.joined", number=2)
        assert len(here.livekit.rooms.agents_in("lobby")) == 1


async def test_l10_whoever_loads_the_page_again_has_an_agent() -> None:
    """The agent is bound to the first connection, and says goodbye when it is gone; `on_finish: done` or not."""
    async with house(rule("greeter", on_finish="done")) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", number=1)
        (bot,) = here.livekit.rooms.agents_in("lobby")
        await here.livekit.rooms.leave("lobby", "alice")
        await here.livekit.rooms.join("lobby", "alice")
        await here.livekit.rooms.leave("lobby", bot.identity)
        await here.told("agent.joined", number=2)


async def test_thirty_rooms_at_once_are_paced() -> None:
    """No two creates of one agent name come closer than the pace allows, but for the burst."""
    async with house(pace=CreateRate(per_second=100, burst=3)) as here:
        here.livekit.workers.register("greeter")
        for number in range(30):
            await here.livekit.rooms.join(f"room-{number}", "alice")
        await here.livekit.wait_until(lambda: len(here.livekit.create_calls) == 30)
        await here.livekit.wait_until(
            lambda: all(here.livekit.rooms.agents_in(f"room-{number}") for number in range(30))
        )
        asked = [call for call in here.livekit.calls if call.method == "CreateDispatch"]
        await here.quiet()
        assert len(asked) == 30
