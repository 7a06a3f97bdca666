"""Workers of the fake LiveKit: each outcome, as livekit.md §0, §2 and §3 tell it, seen through the real SDK."""

from livekit.api import LiveKitAPI
from livekit.protocol.agent import JS_RUNNING, JS_SUCCESS, JT_PUBLISHER, JT_ROOM, Job
from livekit.protocol.agent_dispatch import AgentDispatch
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.room import RoomParticipantIdentity

from dispatcher.testing import FakeLiveKit, JobOutcome
from tests.integration.stage import FAST, asks, client, received


async def dispatched(livekit: FakeLiveKit, api: LiveKitAPI, room: str = "lobby") -> AgentDispatch:
    """A dispatch of the greeter to the room where alice waits."""
    await livekit.rooms.join(room, "alice")
    return await api.agent_dispatch.create_dispatch(asks(room, metadata="m"))


def jobs_in(livekit: FakeLiveKit, room: str = "lobby") -> list[Job]:
    """The jobs that the room's dispatches list."""
    return [job for dispatch in livekit.rooms.dispatches_in(room) for job in dispatch.state.jobs]


async def listed(livekit: FakeLiveKit, room: str = "lobby") -> Job:
    """The room's only job, once it is listed."""
    (job,) = await livekit.wait_until(lambda: jobs_in(livekit, room))
    return job


async def arrived(livekit: FakeLiveKit, room: str = "lobby") -> ParticipantInfo:
    """The room's only agent, once it is there."""
    (agent,) = await livekit.wait_until(lambda: livekit.rooms.agents_in(room))
    return agent


async def departures(livekit: FakeLiveKit) -> list[str]:
    """Why those who left have left; at least one has."""
    return await livekit.wait_until(lambda: [one.event for one in livekit.webhooks_sent if one.event.endswith("left")])


async def test_an_agent_serves() -> None:
    """Its job is listed as running, and it joins as LiveKit lets agents in."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        worker = livekit.workers.register("greeter")
        dispatch = await dispatched(livekit, api)

        agent, job = await arrived(livekit), await listed(livekit)

        assert agent.identity == f"agent-{job.id}" == job.state.participant_identity
        assert agent.kind == agent.Kind.AGENT
        assert dict(agent.attributes) == {"lk.agent_name": "greeter", "lk.agent.name": "greeter"}
        assert agent.permission.agent
        assert (job.dispatch_id, job.type, job.metadata) == (dispatch.id, JT_ROOM, "m")
        assert (job.state.status, job.state.ended_at, job.state.worker_id) == (JS_RUNNING, 0, worker.worker_id)
        assert job.room.name == "lobby"


async def test_a_dispatch_that_nobody_serves_stays_without_jobs() -> None:
    """A worker that registers later gets nothing of it; a second dispatch works."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        first = await dispatched(livekit, api)
        livekit.workers.register("greeter")
        second = await dispatched(livekit, api)
        await arrived(livekit)

        assert [job.dispatch_id for job in jobs_in(livekit)] == [second.id]
        assert first.id in {one.id for one in livekit.rooms.dispatches_in("lobby")}


async def test_an_unregistered_worker_is_asked_no_more() -> None:
    """Its agents stay, and new dispatches reach nobody."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        worker = livekit.workers.register("greeter")
        await dispatched(livekit, api)
        await arrived(livekit)
        livekit.workers.unregister("greeter")
        await dispatched(livekit, api, "hall")

        assert worker.asked == 1
        assert len(livekit.rooms.agents_in("lobby")) == 1


async def test_a_deployment_is_matched_exactly() -> None:
    """A dispatch reaches the workers of its own deployment and no others."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        stable, canary = livekit.workers.register("greeter"), livekit.workers.register("greeter", deployment="canary")
        await api.agent_dispatch.create_dispatch(asks("lobby", deployment="canary"))
        await arrived(livekit)

        assert (stable.asked, canary.asked) == (0, 1)


async def test_an_unnamed_worker_joins_every_room() -> None:
    """The implicit dispatch of a room reaches the worker without a name, unasked."""
    async with FakeLiveKit(timings=FAST) as livekit:
        livekit.workers.register("")
        await livekit.rooms.join("lobby", "alice")

        assert (await arrived(livekit)).attributes["lk.agent_name"] == ""


async def test_a_dropped_request_leaves_nothing() -> None:
    """No job and no agent come of it; the next dispatch is served."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.workers.register("greeter", drop=1)
        await dispatched(livekit, api)
        second = await dispatched(livekit, api)
        await arrived(livekit)

        assert [job.dispatch_id for job in jobs_in(livekit)] == [second.id]


async def test_a_worker_rejects() -> None:
    """Its job has ended with success and names nobody."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.workers.register("greeter", JobOutcome.REJECTS)
        await dispatched(livekit, api)

        job = await listed(livekit)

        assert (job.state.status, job.state.participant_identity) == (JS_SUCCESS, "")
        assert job.state.ended_at > 0
        assert "rejected" in livekit.describe()


async def test_a_job_that_runs_proves_no_agent() -> None:
    """The worker said yes and never shows, while the next one comes."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.workers.register("greeter", JobOutcome.NEVER_SHOWS, JobOutcome.SERVES)
        await dispatched(livekit, api)
        await dispatched(livekit, api)

        agent = await arrived(livekit)
        first, second = jobs_in(livekit)

        assert first.state.status == JS_RUNNING
        assert agent.identity == second.state.participant_identity


async def test_an_agent_can_be_there_before_its_job_is_listed() -> None:
    """With `list_after` beyond `join_after`, the job comes after the agent, the same job."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.workers.register("greeter", list_after=5.0, join_after=0.1)
        await dispatched(livekit, api)

        agent = await arrived(livekit)
        before = jobs_in(livekit)

        assert before == []
        assert (await listed(livekit)).state.participant_identity == agent.identity


async def test_an_agent_comes_late() -> None:
    """Its job is listed while it is still on its way."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.workers.register("greeter", join_after=10.0)
        await dispatched(livekit, api)

        await listed(livekit)

        assert livekit.rooms.agents_in("lobby") == []
        await arrived(livekit)


async def left_because(outcome: JobOutcome) -> str:
    """Why an agent of that outcome left, by webhook."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api, received(livekit) as receiver:
        livekit.workers.register("greeter", outcome)
        await dispatched(livekit, api)
        await departures(livekit)
        (job,) = jobs_in(livekit)
        assert job.state.status == JS_RUNNING, "LiveKit's job state is frozen"
        return str(receiver.bodies()[-1]["participant"]["disconnectReason"])


async def test_an_exception_at_the_start_looks_like_an_ordinary_leave() -> None:
    """The agent joins and is gone at once, CLIENT_INITIATED."""
    assert await left_because(JobOutcome.RAISES) == "CLIENT_INITIATED"


async def test_an_agent_leaves_when_it_is_done() -> None:
    """After its `stay`, CLIENT_INITIATED."""
    assert await left_because(JobOutcome.LEAVES) == "CLIENT_INITIATED"


async def test_an_agent_says_that_it_is_done() -> None:
    """The webhook of its leaving bears the attribute that it set."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api, received(livekit) as receiver:
        livekit.workers.register("greeter", JobOutcome.SAYS_DONE, stay=0.0)
        await dispatched(livekit, api)
        await departures(livekit)
        assert receiver.bodies()[-1]["participant"]["attributes"]["dispatcher.done"] == "bye"


async def test_a_crashed_agent_is_a_ghost_first() -> None:
    """It is shown as active until its connection times out, and DeleteDispatch does not reach it."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api, received(livekit) as receiver:
        livekit.workers.register("greeter", JobOutcome.CRASHES, stay=0.0, ghost=20.0)
        dispatch = await dispatched(livekit, api)
        await listed(livekit)
        ghost = await arrived(livekit)
        await api.agent_dispatch.delete_dispatch(dispatch.id, "lobby")
        await livekit.wait_until(lambda: not livekit.rooms.agents_in("lobby"))
        await departures(livekit)

        assert ghost.state == ghost.State.DISCONNECTED
        assert receiver.bodies()[-1]["participant"]["disconnectReason"] == "CONNECTION_TIMEOUT"


async def test_a_deleted_dispatch_takes_its_agent_along() -> None:
    """It is listed no more, and its agent leaves as CLIENT_INITIATED."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api, received(livekit) as receiver:
        livekit.workers.register("greeter")
        dispatch = await dispatched(livekit, api)
        await arrived(livekit)

        deleted = await api.agent_dispatch.delete_dispatch(dispatch.id, "lobby")
        await livekit.wait_until(lambda: not livekit.rooms.agents_in("lobby"))
        await departures(livekit)

        assert deleted.id == dispatch.id
        assert livekit.rooms.dispatches_in("lobby") == []
        assert receiver.bodies()[-1]["participant"]["disconnectReason"] == "CLIENT_INITIATED"


async def test_a_launch_under_way_survives_the_deletion_of_its_dispatch() -> None:
    """Deleted while the worker is still being asked, the agent joins all the same, and no dispatch names it."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.workers.register("greeter", accept_after=10.0)
        dispatch = await dispatched(livekit, api)
        await api.agent_dispatch.delete_dispatch(dispatch.id, "lobby")

        await arrived(livekit)

        assert jobs_in(livekit) == []


async def test_a_job_told_to_end_on_its_way_does_not_join() -> None:
    """The dispatch is deleted between its job's being listed and the agent's joining; the next agent comes alone."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.workers.register("greeter", join_after=10.0)
        dispatch = await dispatched(livekit, api)
        first = await listed(livekit)
        await api.agent_dispatch.delete_dispatch(dispatch.id, "lobby")
        await dispatched(livekit, api)

        assert (await arrived(livekit)).identity != first.state.participant_identity


async def test_a_removed_agent_is_not_sent_again() -> None:
    """RemoveParticipant takes it out; its job stays listed."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        worker = livekit.workers.register("greeter")
        await dispatched(livekit, api)
        agent = await arrived(livekit)
        await api.room.remove_participant(RoomParticipantIdentity(room="lobby", identity=agent.identity))
        await livekit.wait_until(lambda: not livekit.rooms.agents_in("lobby"))

        assert [job.state.participant_identity for job in jobs_in(livekit)] == [agent.identity]
        assert worker.asked == 1


async def test_an_agent_leaves_once() -> None:
    """One that was removed before its time was over does not leave again."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api, received(livekit) as receiver:
        livekit.workers.register("greeter", JobOutcome.LEAVES, stay=5.0)
        await dispatched(livekit, api)
        agent = await arrived(livekit)
        await api.room.remove_participant(RoomParticipantIdentity(room="lobby", identity=agent.identity))
        await dispatched(livekit, api, "hall")
        await livekit.wait_until(lambda: len([one for one in livekit.webhooks_sent if one.event.endswith("left")]) > 1)

        left = [body for body in receiver.bodies() if body["event"] == "participant_left"]
        assert [(body["room"]["name"], body["participant"]["disconnectReason"]) for body in left] == [
            ("lobby", "PARTICIPANT_REMOVED"),
            ("hall", "CLIENT_INITIATED"),
        ]


async def test_a_fixed_identity_puts_the_first_agent_out() -> None:
    """A second job under the same identity evicts the first one's agent."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        livekit.workers.register("greeter", identity="greeter-1")
        await dispatched(livekit, api)
        first = await arrived(livekit)
        await dispatched(livekit, api)
        await livekit.wait_until(lambda: first.state == first.State.DISCONNECTED)

        (second,) = livekit.rooms.agents_in("lobby")
        assert second.identity == first.identity == "greeter-1"
        assert second.sid != first.sid


async def test_a_room_that_closes_is_opened_again_by_an_agent_on_its_way() -> None:
    """Its token names the room: the agent is alone in another life of it, in which no dispatch explains it."""
    async with FakeLiveKit(timings=FAST) as livekit, received(livekit) as receiver:
        livekit.workers.register("slow to accept", accept_after=10.0)
        livekit.workers.register("slow to join", accept_after=0.0, join_after=10.0)
        await livekit.rooms.open("lobby", agents=["slow to accept", "slow to join"])
        await livekit.wait_until(lambda: jobs_in(livekit))
        await livekit.rooms.close("lobby")
        await livekit.wait_until(lambda: len(livekit.rooms.agents_in("lobby")) == 2)

        assert livekit.rooms.dispatches_in("lobby") == []
        await livekit.wait_until(lambda: livekit.webhooks_sent[-1].event == "participant_joined")
        lives = [body["room"]["sid"] for body in receiver.bodies() if body["event"] == "room_started"]
        assert len(set(lives)) == 2


async def test_a_publisher_worker_has_a_job_for_each_publisher() -> None:
    """Those who publish already and those who start later; none for those who only listen, none for agents."""
    async with FakeLiveKit(timings=FAST) as livekit, client(livekit) as api:
        worker = livekit.workers.register("greeter", per_publisher=True)
        livekit.workers.register("idle")
        await livekit.rooms.join("lobby", "alice")
        await livekit.rooms.join("lobby", "listener")
        await livekit.rooms.publish("lobby", "alice")
        await api.agent_dispatch.create_dispatch(asks("lobby", "idle"))
        agent = await arrived(livekit)
        await livekit.rooms.publish("lobby", agent.identity)
        await api.agent_dispatch.create_dispatch(asks("lobby"))
        await livekit.rooms.join("lobby", "bob")
        await livekit.rooms.publish("lobby", "bob")
        await livekit.rooms.publish("lobby", agent.identity)
        await livekit.wait_until(lambda: len(livekit.rooms.agents_in("lobby")) == 3)

        jobs = [job for job in jobs_in(livekit) if job.agent_name == "greeter"]
        assert [job.participant.identity for job in jobs] == ["alice", "bob"]
        assert {job.type for job in jobs} == {JT_PUBLISHER}
        assert worker.asked == 2
