"""What LiveKit Cloud says of jobs, and the room has its agent all the same."""

import asyncio
import json

import pytest

from dispatcher.core.facts import TAG
from dispatcher.testing import JobOutcome, Recording, play
from tests.integration.house import House, house, rule


@pytest.mark.parametrize(
    ("fate", "verdict", "reason"),
    [
        (JobOutcome.NO_CAPACITY, "rejected", "no_capacity"),
        (JobOutcome.FAILS, "no_show", "failed: no room for a process"),
    ],
)
async def test_a_job_that_ended_before_its_agent_came_leads_on(
    monkeypatch: pytest.MonkeyPatch, fate: JobOutcome, verdict: str, reason: str
) -> None:
    """At the first look, not only when its time is over; and the log says why."""
    monkeypatch.setattr("dispatcher.core.timing.ATTEMPT_LOOKS_MS", (200,))
    async with house(rule("busy", "greeter", attempts=1, confirm_within=60_000, join_within=60_000)) as here:
        here.livekit.workers.register("busy", fate)
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        ended = await here.told("attempt.ended", room="lobby")
        assert (ended["verdict"], ended["reason"]) == (verdict, reason)
        assert (await here.told("agent.joined", room="lobby"))["agent"] == "greeter"


async def test_a_dispatch_that_waits_in_the_queue_is_deleted_before_another_is_asked() -> None:
    """Never two that a worker could take."""
    async with house(rule("busy", "greeter", attempts=1, confirm_within=400)) as here:
        here.livekit.workers.register("busy", JobOutcome.QUEUES)
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("agent.joined", room="lobby", agent="greeter")
        calls = [call.method for call in here.livekit.calls if call.method in {"CreateDispatch", "DeleteDispatch"}]

    assert calls == ["CreateDispatch", "DeleteDispatch", "CreateDispatch"]


async def test_what_is_told_of_a_job_is_a_hint_to_look_where_its_attempt_waits() -> None:
    """Its tag says which one that is; a job that begins at once is followed by its agent, and is none."""
    async with house(rule("busy", attempts=1, confirm_within=60_000, join_within=60_000)) as here:
        here.livekit.workers.register("busy", JobOutcome.QUEUES)
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.requested", room="lobby")
        await here.idle()
        looks = len(here.livekit.calls)
        await told_of_job(here, "EV_1", "agent_job_pending")
        await told_of_job(here, "EV_2", "agent_job_ended", tag="default:RM_1:busy#7:someone-else-s")
        await here.idle()
        assert len(here.livekit.calls) == looks
        await told_of_job(here, "EV_3", "agent_job_ended", tag=here.livekit.create_calls[0].attributes[TAG])
        await here.livekit.wait_until(lambda: len(here.livekit.calls) > looks, within=1.0)


async def test_the_end_of_a_job_is_a_hint_to_look() -> None:
    """Its room is the job's; where the agent is there already it says nothing."""
    async with house(rule("busy", "greeter", attempts=1, confirm_within=60_000, join_within=60_000)) as here:
        here.livekit.workers.register("busy", JobOutcome.NO_CAPACITY)
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        await here.told("dispatch.requested", room="lobby")
        await asyncio.sleep(0.2)  # the job has ended, and nobody has said so
        await told_of_job(here, "EV_1")
        await here.told("agent.joined", room="lobby", agent="greeter", within=1.5)
        await here.idle()
        looks = len(here.livekit.calls)
        await told_of_job(here, "EV_2")
        await here.idle()

        assert len(here.livekit.calls) == looks


async def told_of_job(here: House, event: str, name: str = "agent_job_ended", tag: str = "") -> None:
    """The webhook of a job of the lobby has come."""
    lobby = {"sid": (await here.session("lobby")).sid, "name": "lobby"}
    job = {"id": "AJ_1", "room": lobby, "attributes": {TAG: tag} if tag else {}}
    body = json.dumps({"event": name, "id": event, "job": job})
    livekit, url = here.livekit, f"{here.service.url}/webhook"
    sent = [Recording(headers={}, body=body)]
    assert await play(url, sent, key=livekit.api_key, secret=livekit.api_secret) == [200]
