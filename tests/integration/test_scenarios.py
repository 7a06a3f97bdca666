"""What rooms, people and workers do at awkward moments, and the room still has the agents it should have."""

import asyncio
import json

from dispatcher.config import CreateRate
from dispatcher.core.session import State
from dispatcher.testing import FakeLiveKit, JobOutcome, Recording, Timings, play
from tests.integration.house import SPEED, house, rule


async def test_d6_d8_a_worker_whose_requests_are_lost_at_first_is_found_in_the_end() -> None:
    """More requests vanish than a round of attempts has: starved, retried slowly, served."""
    async with house(rule("greeter", attempts=2, confirm_within=200)) as here:
        here.livekit.workers.register("greeter", drop=4)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("assignment.starved", room="lobby")
        assert (await here.told("agent.joined", room="lobby"))["number"] == 5
        assert len(here.livekit.rooms.agents_in("lobby")) == 1


async def test_i2_the_room_and_its_first_person_together_make_one_dispatch() -> None:
    """room_started and participant_joined race, five copies of each, and both are reasons for the same assignment."""
    async with house(rule("greeter", trigger="room_started")) as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.duplicate_webhooks(5, times=2)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        await here.quiet()
        assert len(here.livekit.create_calls) == 1


async def test_i5_a_dispatch_that_livekit_cannot_take_now_is_sent_once_for_each_attempt() -> None:
    """503, three times: each CreateDispatch is another attempt, none is replayed underneath."""
    async with house(rule("greeter", attempts=1, confirm_within=200)) as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.fail("CreateDispatch", 503, times=3)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        tags = [asked.attributes["dispatcher.assignment"].split(":") for asked in here.livekit.create_calls]
        assert [tag[2] for tag in tags] == [f"default#{number}" for number in range(1, len(tags) + 1)]


async def test_i7_two_agents_that_are_wanted_stay_and_a_third_goes() -> None:
    """Two rules want one each; an attempt of the first that was given up brings its agent after all."""
    rules = rule("greeter", name="talks", go_on=True), rule("scribe", name="writes")
    async with house(*rules) as here:
        here.livekit.workers.register("greeter", accept_after=0.2, list_after=20.0, join_after=24.0)
        here.livekit.workers.register("scribe")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("attempt.ended", agent="greeter", verdict="silent")
        await here.told("agent.joined", agent="greeter", within=15)
        await here.told("attempt.retracted", assignment="talks", part="agent", within=15)
        await here.livekit.wait_until(lambda: len(here.livekit.rooms.agents_in("lobby")) == 2, within=15)
        names = {agent.attributes["lk.agent_name"] for agent in here.livekit.rooms.agents_in("lobby")}
        assert names == {"greeter", "scribe"}


async def test_i8_an_agent_that_joins_every_room_is_nobodys_answer() -> None:
    """A worker without a name is in the room by itself: told, left alone, and the right one comes all the same."""
    async with house() as here:
        here.livekit.workers.register("")
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", agent="greeter")
        await here.told("agent.unrequested", room="lobby", within=15)
        await here.idle()
        assert len(here.livekit.create_calls) == 1
        assert sorted(one.attributes["lk.agent_name"] for one in here.livekit.rooms.agents_in("lobby")) == [
            "",
            "greeter",
        ]


async def test_w1_who_has_left_before_their_joining_is_told_gets_no_agent() -> None:
    """participant_left overtakes participant_joined: what counts is who is there."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.delay_webhooks(4, "participant_joined")
        await here.livekit.rooms.join("lobby", "alice")
        await here.livekit.rooms.leave("lobby", "alice")
        await here.livekit.wait_until(lambda: "participant_joined" in [one.event for one in here.livekit.webhooks_sent])
        await here.idle()
        assert here.livekit.create_calls == []


async def test_w1_a_room_that_was_finished_before_its_start_is_told_stays_over() -> None:
    """room_finished first, room_started and participant_joined after it: over, and nothing is asked for."""
    async with house(rule("greeter", trigger="room_started")) as here:
        here.livekit.workers.register("greeter")
        here.livekit.faults.delay_webhooks(6, "room_started")
        here.livekit.faults.delay_webhooks(6, "participant_joined")
        await here.livekit.rooms.join("lobby", "alice")
        await here.livekit.rooms.close("lobby")
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) == 4)
        await here.idle()
        assert here.livekit.create_calls == []
        assert here.livekit.rooms.names() == []


async def test_w5_a_connection_that_was_aborted_has_left() -> None:
    """participant_connection_aborted is all that is told of the last person: nobody waits any more."""
    async with house(rule("greeter", confirm_within=200)) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.requested", room="lobby")
        await here.livekit.rooms.abort("lobby", "alice")
        await here.told("attempt.ended", room="lobby")
        await here.idle()
        assert (await here.session("lobby")).assignments[0].state is State.IDLE
        assert len(here.livekit.create_calls) == 1


async def test_w6_a_track_is_no_reason_to_look() -> None:
    """Its webhook names a room and nothing else: it reaches neither the ledger nor LiveKit."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        await here.quiet()
        calls = len(here.livekit.calls)
        await here.livekit.rooms.publish("lobby", "alice")
        await here.livekit.wait_until(lambda: here.livekit.webhooks_sent[-1].event == "track_published")
        await here.quiet()
        assert len(here.livekit.calls) == calls
        assert (await here.metrics())[
            'livekit_dispatcher_webhooks_total{event="track_published",result="ignored"}'
        ] == 1


async def test_w7_how_many_livekit_counts_in_a_room_decides_nothing() -> None:
    """Nobody where alice waits, and seven where nobody is."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        for room, counted in {"lobby": 0, "empty": 7}.items():
            await here.livekit.rooms.open(room)
            await here.livekit.rooms.set_participant_count(room, counted)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        await here.livekit.rooms.join("empty", "recorder", hidden=True)
        await here.livekit.wait_until(lambda: here.livekit.webhooks_sent[-1].event == "participant_joined")
        await here.idle()
        assert [asked.room for asked in here.livekit.create_calls] == ["lobby"]


async def test_w9_what_is_new_in_a_webhook_is_passed_over() -> None:
    """A job's event without a room, an event nobody knows, a field nobody knows: 200, and what is known is used."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        sent, here.livekit.webhook_url = here.livekit.webhook_url, None
        alice = await here.livekit.rooms.join("lobby", "alice")
        lobby = {"sid": (await here.livekit.rooms.open("lobby")).info.sid, "name": "lobby"}
        who = {"sid": alice.sid, "identity": "alice", "kind": "STANDARD", "mood": 7}
        bodies = (
            {"event": "agent_job_started", "id": "EV_1", "job": {"id": "AJ_1", "room": lobby}},
            {"event": "room_painted", "id": "EV_2", "room": lobby, "paint": ["red"]},
            {"event": "participant_joined", "id": "EV_3", "room": {**lobby, "paint": {"red": 1}}, "participant": who},
        )
        recordings = [Recording(headers={}, body=json.dumps(body)) for body in bodies]
        answers = await play(sent or "", recordings, key=here.livekit.api_key, secret=here.livekit.api_secret)
        assert answers == [200, 200, 200]
        assert await here.counted("webhooks_total") == {
            'livekit_dispatcher_webhooks_total{event="agent_job_started",result="recorded"}': 1,
            'livekit_dispatcher_webhooks_total{event="other",result="ignored"}': 1,
            'livekit_dispatcher_webhooks_total{event="participant_joined",result="recorded"}': 1,
        }
        await here.told("agent.joined", room="lobby")


async def test_l6_a_dead_agent_that_livekit_still_shows_is_replaced_once_it_is_gone() -> None:
    """Nobody can tell it from a living one: while it shows nothing is asked for, and then one, not one each look."""
    async with house(sweep_every=100) as here:
        here.livekit.workers.register("greeter", JobOutcome.CRASHES, JobOutcome.SERVES, stay=0.2, ghost=20.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", number=1)
        ghost = here.livekit.rooms.agents_in("lobby")
        await here.told("attempt.ended", room="lobby", verdict="crashed", reason="connection_timeout")
        assert len(here.livekit.create_calls) == 1
        await here.told("agent.joined", room="lobby", number=2)
        await here.idle()
        assert len(here.livekit.create_calls) == 2
        assert here.livekit.rooms.agents_in("lobby") != ghost


async def test_l3_an_agent_that_joins_again_is_the_same_agent() -> None:
    """Its first connect is retried: DUPLICATE_IDENTITY, a new SID, and nobody else is asked for."""
    async with house() as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby")
        agent = here.livekit.rooms.agents_in("lobby")[0]
        await here.livekit.rooms.join("lobby", agent.identity, kind="AGENT", attributes=dict(agent.attributes))
        await here.livekit.wait_until(lambda: len(here.livekit.webhooks_sent) == 5)
        await here.idle()
        assert len(here.livekit.create_calls) == 1
        assert (await here.session("lobby")).assignments[0].state is State.SERVED


async def test_l5_an_agent_that_fails_at_the_start_again_and_again_makes_way() -> None:
    """It uses up its attempts, and the fallback comes."""
    async with house(rule("faulty", "greeter", attempts=2, min_stay=1_000)) as here:
        here.livekit.workers.register("faulty", JobOutcome.RAISES)
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", agent="greeter", within=10)
        ended = [(line["verdict"], line["reason"]) for line in here.lines if line["action"] == "attempt.ended"]
        assert ended == [("failed", "client_initiated")] * 2


async def test_l7_agents_that_are_lost_together_are_replaced_at_the_pace() -> None:
    """A deploy takes twenty at once: each is replaced, once, and not all in one moment."""
    pace = CreateRate(per_second=40, burst=1)
    async with house(pace=pace) as here:
        here.livekit.workers.register("greeter", *[JobOutcome.CRASHES] * 20, JobOutcome.SERVES, stay=30.0, ghost=0.1)
        rooms = [f"room-{number}" for number in range(20)]
        for room in rooms:
            await here.livekit.rooms.join(room, "alice")
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(here.told("agent.joined", room=room, number=2, within=15) for room in rooms))
        assert asyncio.get_running_loop().time() - began >= 19 * 1 / pace.per_second
        await here.idle()
        assert len(here.livekit.create_calls) == 40
        assert all(len(here.livekit.rooms.agents_in(room)) == 1 for room in rooms)


async def test_l8_nobody_is_asked_for_again_once_everybody_has_left() -> None:
    """The last person goes while a dispatch is under way that nobody takes: given up, and that was it."""
    async with house(rule("greeter", confirm_within=200)) as here:
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.requested", room="lobby")
        await here.livekit.rooms.leave("lobby", "alice")
        await here.told("attempt.ended", room="lobby", verdict="silent")
        await here.idle()
        assert len(here.livekit.create_calls) == 1


async def test_l9_joining_leaving_and_joining_again_makes_one_dispatch() -> None:
    """Within the time an agent takes to come."""
    async with house() as here:
        here.livekit.workers.register("greeter", accept_after=2.0)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.requested", room="lobby")
        await here.livekit.rooms.leave("lobby", "alice")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", number=1)
        await here.quiet()
        assert len(here.livekit.create_calls) == 1


async def test_q3_a_room_that_has_closed_is_not_opened_for_its_agent() -> None:
    """Without `auto_create` LiveKit waits for its node and says 503: nobody knows, and nothing is asked again."""
    async with (
        FakeLiveKit(timings=Timings(speed=SPEED), auto_create=False) as livekit,
        house(livekit=livekit) as here,
    ):
        livekit.workers.register("greeter")
        livekit.faults.slow("CreateDispatch", 1.0)
        await livekit.rooms.join("lobby", "alice")
        await livekit.wait_until(lambda: livekit.create_calls)
        await livekit.rooms.close("lobby")
        assert (await here.told("dispatch.unanswered", room="lobby"))["reason"] == "server"
        await here.told("room.finished", room="lobby")
        await here.idle()
        assert (len(livekit.create_calls), livekit.rooms.names()) == (1, [])
