"""The door to LiveKit: what is asked, and what a look shows."""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import web
from livekit.protocol import agent, agent_dispatch, models
from livekit.protocol import room as room_service

from dispatcher.core.facts import Participant, Room, RoomSid
from dispatcher.core.rules import Target
from dispatcher.core.snapshot import Arrivals, Dispatch, Job, JobCondition, RoomSnapshot
from dispatcher.core.text import ID_MAX, NAME_MAX, brief
from dispatcher.livekit.failures import Refused, Unavailable
from tests.unit.livekit.twirp import READS, SID, Answer, Script, fail, reply, scripted

AT_ONCE = 5.0  # seconds: far less than a patient client waits


@pytest.fixture
async def server() -> AsyncIterator[Script]:
    """A scripted LiveKit."""
    async with scripted() as script:
        yield script


async def test_a_look_asks_side_by_side(server: Script) -> None:
    """All three requests are under way before the first is answered: a look is one round trip."""
    arrived = asyncio.Barrier(len(READS))

    def together(answer: Answer) -> Answer:
        async def wait(request: web.Request) -> web.StreamResponse:
            await arrived.wait()
            return await answer(request)

        return wait

    server.show(before=together)
    assert (await server.client().look("r", SID)).room is not None
    assert sorted(server.told) == sorted((method, "ok") for method in READS)


@pytest.mark.parametrize("listed", [[], [models.Room(sid="RM_2", name="r")]], ids=["no room", "another life"])
async def test_an_absent_session_is_known_from_list_rooms_alone(server: Script, listed: list[models.Room]) -> None:
    """Without the session's own SID the other reads are cancelled: they would take 3 s and fail (Q1, W3)."""
    server.answer_all(server.hang)
    server.answer("ListRooms", reply(room_service.ListRoomsResponse(rooms=listed)))
    async with asyncio.timeout(AT_ONCE):
        assert await server.client().look("r", SID) == RoomSnapshot(room=None)
    assert server.told == [("ListRooms", "ok")]


ARRIVALS = Arrivals(Room(sid=SID, name="r", created_at=1), frozenset({"PA_1", "PA_2"}))


async def test_a_room_in_which_somebody_is_who_was_heard_to_join_it_is_not_asked_for(server: Script) -> None:
    """Their SID is of one connection, which was to the session's own room."""
    server.show(models.ParticipantInfo(sid="PA_9"), models.ParticipantInfo(sid="PA_2"))
    server.answer("ListRooms", server.hang)

    snapshot = await server.client().look("r", SID, ARRIVALS)

    assert (snapshot.room, snapshot.heard) == (ARRIVALS.room, True)
    assert [one.sid for one in snapshot.participants] == ["PA_9", "PA_2"]
    assert sorted(server.told) == [("ListDispatch", "ok"), ("ListParticipants", "ok")]


@pytest.mark.parametrize("listed", [SID, "RM_2"], ids=["its own life", "another life"])
async def test_law_4_a_room_without_them_is_asked_for(server: Script, listed: str) -> None:
    """Whoever is there may be in the next life of the room's name."""
    server.show(models.ParticipantInfo(sid="PA_9"))
    server.answer("ListRooms", reply(room_service.ListRoomsResponse(rooms=[models.Room(sid=listed, name="r")])))

    snapshot = await server.client().look("r", SID, ARRIVALS)

    assert ((snapshot.room is not None), snapshot.heard) == (listed == SID, False)
    assert ("ListRooms", "ok") in server.told


@pytest.mark.parametrize("listed", [SID, "RM_2"], ids=["its own life", "another life"])
async def test_where_the_list_of_people_fails_the_list_of_rooms_says_why(server: Script, listed: str) -> None:
    """Some servers call it an error where the room is absent: then the look shows that, and else it fails."""
    server.show()
    server.answer("ListParticipants", fail(404))
    server.answer("ListRooms", reply(room_service.ListRoomsResponse(rooms=[models.Room(sid=listed, name="r")])))
    looking = server.client().look("r", SID, ARRIVALS)
    if listed == SID:
        with pytest.raises(Unavailable, match=r"^ListParticipants: "):
            await looking
    else:
        assert await looking == RoomSnapshot(room=None)


async def test_a_cancelled_look_leaves_nothing_running(server: Script) -> None:
    """Whoever cancels a look, as a stopping worker does, cancels its three requests."""
    all_in = asyncio.Barrier(len(READS) + 1)

    async def arrive(request: web.Request) -> web.StreamResponse:
        await all_in.wait()
        return await server.hang(request)

    server.answer_all(arrive)
    before = asyncio.all_tasks()
    looking = asyncio.create_task(server.client().look("r", SID))
    await all_in.wait()
    looking.cancel()
    async with asyncio.timeout(AT_ONCE):
        with pytest.raises(asyncio.CancelledError):
            await looking
    ours = {task for task in asyncio.all_tasks() - before if "LiveKit" in repr(task.get_coro())}
    assert ours == set()
    assert server.told == []


async def test_a_look_that_fails_twice_over_raises_once(server: Script) -> None:
    """The second failure is taken note of too: asyncio has no lost exception to complain of."""

    async def last(request: web.Request) -> web.StreamResponse:
        await server.wait_told(2)
        return await listed(request)

    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    listed = reply(room_service.ListRoomsResponse(rooms=[models.Room(sid=SID, name="r")]))
    server.answer_all(fail(400))
    server.answer("ListRooms", last)
    with pytest.raises(Refused, match=r"^ListParticipants: invalid$"):
        await server.client().look("r", SID)
    gc.collect()
    assert complaints == []


async def test_create_asks_for_the_target_once(server: Script) -> None:
    """Name, deployment, metadata and tag go out; the dispatch comes back as the server echoes it (D9)."""
    echo = agent_dispatch.AgentDispatch(id="AD_1", agent_name="sales", attributes={"dispatcher.assignment": "i:w#1"})
    server.answer_all(reply(echo))
    made = await server.client().create("r", Target("sales", "blue"), metadata='{"a": 1}', tag="i:w#1")
    assert made == Dispatch(id="AD_1", agent="sales", deployment="", tag="i:w#1")
    [(method, body)] = server.asked
    assert method == "CreateDispatch"
    assert agent_dispatch.CreateAgentDispatchRequest.FromString(body) == agent_dispatch.CreateAgentDispatchRequest(
        room="r",
        agent_name="sales",
        deployment="blue",
        metadata='{"a": 1}',
        attributes={"dispatcher.assignment": "i:w#1"},
    )


async def test_remove_and_delete_name_what_they_retract(server: Script) -> None:
    """The identity and the dispatch id go out with the room's name."""
    server.answer("RemoveParticipant", reply(room_service.RemoveParticipantResponse()))
    server.answer("DeleteDispatch", reply(agent_dispatch.AgentDispatch(id="AD_1")))
    await server.client().remove("r", "agent-AJ_1")
    await server.client().delete("r", "AD_1")
    [(_, removed), (_, deleted)] = server.asked
    asked = room_service.RoomParticipantIdentity.FromString(removed)
    assert (asked.room, asked.identity) == ("r", "agent-AJ_1")
    dispatch = agent_dispatch.DeleteAgentDispatchRequest.FromString(deleted)
    assert (dispatch.room, dispatch.dispatch_id) == ("r", "AD_1")


async def test_the_sweep_lists_every_room(server: Script) -> None:
    """All rooms in one call, without their metadata; times in ms, from seconds where the server sends only those."""
    listed = [
        models.Room(sid="RM_1", name="a", metadata="m", creation_time=7, creation_time_ms=7_125),
        models.Room(sid="RM_2", name="b", creation_time=8),
    ]
    server.answer("ListRooms", reply(room_service.ListRoomsResponse(rooms=listed)))
    assert await server.client().rooms() == (
        Room(sid=RoomSid("RM_1"), name="a", created_at=7_125),
        Room(sid=RoomSid("RM_2"), name="b", created_at=8_000),
    )
    assert list(room_service.ListRoomsRequest.FromString(server.asked[0][1]).names) == []


P = models.ParticipantInfo
PEOPLE: Mapping[str, tuple[models.ParticipantInfo, Participant]] = {
    "joining": (P(sid="PA", identity="i"), Participant(sid="PA", identity="i")),
    "active": (
        P(sid="PA", identity="i", name="I", state=P.ACTIVE, joined_at=9, joined_at_ms=9_001, is_publisher=True),
        Participant(sid="PA", identity="i", name="I", active=True, publisher=True, joined_at=9_001),
    ),
    "seconds only": (P(sid="PA", identity="i", joined_at=9), Participant(sid="PA", identity="i", joined_at=9_000)),
    "hidden": (
        P(sid="PA", identity="i", permission=models.ParticipantPermission(hidden=True)),
        Participant(sid="PA", identity="i", hidden=True),
    ),
    "agent": (
        P(sid="PA", identity="i", kind=P.AGENT, metadata="m", attributes={"lk.agent_name": "sales"}),
        Participant(sid="PA", identity="i", kind="AGENT", metadata="m", attributes={"lk.agent_name": "sales"}),
    ),
    "with the grant of a job's token": (
        P(sid="PA", identity="i", kind=P.AGENT, permission=models.ParticipantPermission(agent=True)),
        Participant(sid="PA", identity="i", kind="AGENT", granted=True),
    ),
    "of any length": (
        P(sid="S" * 99, identity="i" * 9_999),
        Participant(sid=brief("S" * 99, ID_MAX), identity=brief("i" * 9_999, NAME_MAX)),
    ),
    "with details of its kind": (
        P(sid="PA", identity="i", kind=P.CONNECTOR, kind_details=[P.CONNECTOR_WHATSAPP, P.CLOUD_AGENT], region="eu-1"),
        Participant(
            sid="PA",
            identity="i",
            kind="CONNECTOR",
            kind_details=("CONNECTOR_WHATSAPP", "CLOUD_AGENT"),
            region="eu-1",
        ),
    ),
    "unknown kind": (
        P.FromString(P(sid="PA", identity="i").SerializeToString() + b"\x70\x63"),  # field 14, kind: 99
        Participant(sid="PA", identity="i", kind="99"),
    ),
    "left": (
        P(sid="PA", identity="i", state=P.DISCONNECTED, disconnect_reason=models.CLIENT_INITIATED),
        Participant(sid="PA", identity="i", disconnect_reason="CLIENT_INITIATED"),
    ),
}


@pytest.mark.parametrize(("listed", "expected"), PEOPLE.values(), ids=PEOPLE)
async def test_a_look_shows_people_as_livekit_lists_them(
    server: Script, listed: models.ParticipantInfo, expected: Participant
) -> None:
    """A participant keeps LiveKit's words; what is not known here keeps its number."""
    server.show(listed)
    snapshot = await server.client().look("r", SID)
    assert snapshot.participants == (expected,)
    assert snapshot.room == Room(sid=SID, name="r", metadata="m", created_at=7_000)


STATES: Mapping[str, tuple[agent.JobState, Job]] = {
    "running": (
        agent.JobState(status=agent.JS_RUNNING, participant_identity="agent-AJ"),
        Job(id="AJ", identity="agent-AJ"),
    ),
    "rejected": (agent.JobState(status=agent.JS_SUCCESS), Job(id="AJ", ended=True)),
    "failed": (
        agent.JobState(status=agent.JS_FAILED, error="x" * 5_000),
        Job(id="AJ", ended=True, outcome=JobCondition.FAILED, error=brief("x" * 5_000, ID_MAX)),
    ),
    "cancelled": (
        agent.JobState(status=agent.JS_CANCELLED),
        Job(id="AJ", ended=True, outcome=JobCondition.CANCELLED),
    ),
    "no capacity": (
        agent.JobState(status=agent.JS_CANCELLED, reason=agent.JSR_NO_CAPACITY),
        Job(id="AJ", ended=True, outcome=JobCondition.NO_CAPACITY),
    ),
    "room closed": (
        agent.JobState(status=agent.JS_CANCELLED, reason=agent.JSR_ROOM_CLOSED),
        Job(id="AJ", ended=True, outcome=JobCondition.ROOM_CLOSED),
    ),
    "dispatch deleted": (
        agent.JobState(status=agent.JS_CANCELLED, reason=agent.JSR_DISPATCH_DELETED),
        Job(id="AJ", ended=True, outcome=JobCondition.DISPATCH_DELETED),
    ),
    "pending": (agent.JobState(), Job(id="AJ", outcome=JobCondition.QUEUED)),
    "offered again": (
        agent.JobState(status=agent.JS_RUNNING, reason=agent.JSR_RETRYING, participant_identity="agent-AJ"),
        Job(id="AJ", identity="agent-AJ", outcome=JobCondition.QUEUED),
    ),
    "pending and taken": (
        agent.JobState(participant_identity="agent-AJ"),
        Job(id="AJ", identity="agent-AJ"),
    ),
    "ended": (agent.JobState(status=agent.JS_RUNNING, ended_at=1), Job(id="AJ", ended=True)),
}


@pytest.mark.parametrize(("state", "expected"), STATES.values(), ids=STATES)
async def test_a_look_shows_jobs(server: Script, state: agent.JobState, expected: Job) -> None:
    """A job has ended when LiveKit dates its end or calls it finished."""
    jobs = agent_dispatch.AgentDispatchState(jobs=[agent.Job(id="AJ", state=state)])
    server.show(dispatches=(agent_dispatch.AgentDispatch(id="AD", agent_name="sales", state=jobs),))
    snapshot = await server.client().look("r", SID)
    assert snapshot.dispatches == (Dispatch(id="AD", agent="sales", jobs=(expected,)),)


async def test_a_look_shows_every_dispatch_but_deleted_ones(server: Script) -> None:
    """The implicit dispatch without a name is shown too: the core knows what it is (I8)."""
    ours = agent_dispatch.AgentDispatch(
        id="AD_1", agent_name="sales", deployment="blue", attributes={"dispatcher.assignment": "i:w#1"}
    )
    before_tags_were_signed = agent_dispatch.AgentDispatch(
        id="AD_4", agent_name="sales", attributes={"dispatcher.want": "i:w#1"}
    )
    implicit = agent_dispatch.AgentDispatch(id="AD_2")
    deleted = agent_dispatch.AgentDispatch(id="AD_3", state=agent_dispatch.AgentDispatchState(deleted_at=1))
    server.show(dispatches=(ours, implicit, deleted, before_tags_were_signed))
    snapshot = await server.client().look("r", SID)
    assert snapshot.dispatches == (
        Dispatch(id="AD_1", agent="sales", deployment="blue", tag="i:w#1"),
        Dispatch(id="AD_2", agent=""),
        Dispatch(id="AD_4", agent="sales"),
    )
