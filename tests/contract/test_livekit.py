"""What our door to LiveKit shows of it: on the fake that we test with, and on a real server. Both must agree."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from uuid import uuid4

import pytest

from dispatcher.core.facts import AGENT, STANDARD, Participant, RoomSid
from dispatcher.core.rules import Target
from dispatcher.core.snapshot import Dispatch, Job, RoomSnapshot
from dispatcher.livekit.answers import TwirpSession, twirp_session
from dispatcher.livekit.client import LiveKit
from dispatcher.livekit.failures import Reason, Refused, Unknown
from dispatcher.testing import FakeLiveKit, JobOutcome, Timings

STEADY = Target("steady")  # its worker takes every job, and its agents stay
SHY = Target("shy")  # its worker rejects every job
NOBODY = Target("nobody")  # no worker of that name
SLOWEST = 20.0  # seconds until an agent is there and its job is listed: 10.5 was seen


class Present(Protocol):
    """Somebody is in the room as long as the context is open; `agents` are dispatched by whoever opens the room."""

    def __call__(self, room: str, *, agents: Sequence[str] = ()) -> AbstractAsyncContextManager[object]: ...


@dataclass(frozen=True, slots=True)
class Home:
    """A LiveKit with the workers STEADY and SHY."""

    url: str
    key: str
    secret: str
    present: Present


@dataclass(frozen=True, slots=True)
class Visit:
    """A room with alice in it, and our door to it."""

    livekit: LiveKit
    room: str
    sid: RoomSid

    async def create(self, target: Target, tag: str = "") -> Dispatch:
        return await self.livekit.create(self.room, target, metadata="{}", tag=tag)

    async def look(self) -> RoomSnapshot:
        return await self.livekit.look(self.room, self.sid)

    async def look_until(self, claim: Callable[[RoomSnapshot], bool]) -> RoomSnapshot:
        """The first look that shows what is claimed."""
        snapshot = await self.look()
        try:
            async with asyncio.timeout(SLOWEST):
                while not claim(snapshot):
                    await asyncio.sleep(0.05)
                    snapshot = await self.look()
        except TimeoutError:
            raise AssertionError(f"not seen; last: {snapshot}") from None
        return snapshot

    async def serve(self, target: Target) -> tuple[Dispatch, str]:
        """A new dispatch whose job is listed and whose agent is in the room, and the agent's identity."""
        made = await self.create(target)
        snapshot = await self.look_until(
            lambda snapshot: bool(set(identities(snapshot, made.id)) & agents(snapshot).keys())
        )
        return listed(snapshot, made.id), identities(snapshot, made.id)[0]


def listed(snapshot: RoomSnapshot, dispatch: str) -> Dispatch:
    """The dispatch with this id."""
    return next(one for one in snapshot.dispatches if one.id == dispatch)


def jobs(snapshot: RoomSnapshot, dispatch: str) -> tuple[Job, ...]:
    """The jobs of this dispatch."""
    return listed(snapshot, dispatch).jobs


def identities(snapshot: RoomSnapshot, dispatch: str) -> list[str]:
    """Who the agents of this dispatch are."""
    return [job.identity for job in jobs(snapshot, dispatch) if job.identity]


def agents(snapshot: RoomSnapshot) -> dict[str, Participant]:
    """The active agents in the room."""
    return {one.identity: one for one in snapshot.participants if one.is_agent and one.active}


@asynccontextmanager
async def fake() -> AsyncIterator[Home]:
    """The fake, with workers as good as the real ones."""
    async with FakeLiveKit(timings=Timings(absent_room=1.0)) as livekit:
        livekit.workers.register(STEADY.agent)
        livekit.workers.register(SHY.agent, JobOutcome.REJECTS)

        @asynccontextmanager
        async def present(room: str, *, agents: Sequence[str] = ()) -> AsyncIterator[None]:
            await livekit.rooms.open(room, agents=agents)
            await livekit.rooms.join(room, "alice")
            yield
            await livekit.rooms.leave(room, "alice")

        yield Home(livekit.url, livekit.api_key, livekit.api_secret, present)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A real server with real workers, started once: a worker takes seconds."""
    from tests.real.people import present  # noqa: PLC0415 - needs livekit.rtc, which only `make e2e` installs
    from tests.real.server import running_server  # noqa: PLC0415
    from tests.real.workers import start_worker, wait_registered  # noqa: PLC0415

    directory = tmp_path_factory.mktemp("livekit")
    with (
        running_server(directory) as server,
        start_worker(server, directory, STEADY.agent) as steady,
        start_worker(server, directory, SHY.agent, behaviour="reject") as shy,
    ):
        wait_registered(steady, shy)
        yield Home(server.url, server.key, server.secret, partial(present, server))


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
async def home(request: pytest.FixtureRequest) -> AsyncIterator[Home]:
    """One LiveKit after the other."""
    if request.param == "real":
        yield request.getfixturevalue("real")
        return
    async with fake() as one:
        yield one


@pytest.fixture
async def session() -> AsyncIterator[TwirpSession]:
    """The shared session of all clients."""
    async with twirp_session() as one:
        yield one


@pytest.fixture
def livekit(home: Home, session: TwirpSession) -> LiveKit:
    """Our door."""
    return door(home, session, home.secret)


@pytest.fixture
async def visit(home: Home, livekit: LiveKit) -> AsyncIterator[Visit]:
    """Alice is alone in a new room."""
    room = new_room()
    async with home.present(room):
        yield await visiting(livekit, room)


def door(home: Home, session: TwirpSession, secret: str) -> LiveKit:
    """A client with this secret."""
    return LiveKit(home.url, home.key, secret, session=session, observe=lambda *_: None)


def new_room() -> str:
    """A name that no room had before."""
    return f"room-{uuid4().hex[:12]}"


async def visiting(livekit: LiveKit, room: str) -> Visit:
    """The life that the room has now."""
    [sid] = [one.sid for one in await livekit.rooms() if one.name == room]
    return Visit(livekit, room, sid)


async def test_q1_q2_an_absent_room_is_known_at_once(livekit: LiveKit) -> None:
    """Its dispatches are not waited for, which takes a real server 3 s (Q1)."""
    async with asyncio.timeout(0.9):
        assert await livekit.look(new_room(), RoomSid("RM_none")) == RoomSnapshot(room=None)


async def test_another_life_of_the_room_is_not_the_session(visit: Visit) -> None:
    """A room name with another SID is as good as absent (W3)."""
    assert await visit.livekit.look(visit.room, RoomSid("RM_none")) == RoomSnapshot(room=None)


async def test_a_live_room_shows_who_is_there(visit: Visit) -> None:
    """A person is ACTIVE as soon as connected, even without audio or video."""
    snapshot = await visit.look()
    assert snapshot.room is not None
    assert (snapshot.room.sid, snapshot.room.name) == (visit.sid, visit.room)
    assert snapshot.room in await visit.livekit.rooms()
    [alice] = snapshot.participants
    assert (alice.identity, alice.kind, alice.active, alice.hidden) == ("alice", STANDARD, True, False)
    assert alice.sid.startswith("PA_")
    assert alice.joined_at >= snapshot.room.created_at > 1_600_000_000_000


async def test_a_room_lists_its_implicit_dispatch(visit: Visit) -> None:
    """Every room opened without agents has one dispatch that names nobody (I8)."""
    [implicit] = (await visit.look()).dispatches
    assert (implicit.agent, implicit.deployment, implicit.tag, implicit.jobs) == ("", "", "", ())


async def test_a_dispatch_of_the_opening_token_is_foreign(home: Home, livekit: LiveKit) -> None:
    """It is listed like ours but without a tag, instead of the implicit one, and its agent comes."""
    room = new_room()
    async with home.present(room, agents=[STEADY.agent]):
        visit = await visiting(livekit, room)
        snapshot = await visit.look_until(lambda snapshot: bool(agents(snapshot)))
    [foreign] = snapshot.dispatches
    assert (foreign.agent, foreign.tag) == (STEADY.agent, "")


async def test_create_says_nothing_of_workers(visit: Visit) -> None:
    """Without a worker it succeeds all the same, and its dispatch stays without a job (D1, D5)."""
    made = await visit.create(NOBODY)
    assert made.id.startswith("AD_")
    assert (made.agent, made.jobs) == (NOBODY.agent, ())
    await visit.serve(STEADY)  # long enough for a worker to answer
    assert jobs(await visit.look(), made.id) == ()


async def test_an_agent_comes(visit: Visit) -> None:
    """Its dispatch lists a job with the identity of an active agent, which bears its worker's name."""
    made, identity = await visit.serve(STEADY)
    [job] = made.jobs
    assert (job.identity, job.ended) == (identity, False)
    agent = agents(await visit.look())[identity]
    assert (agent.kind, agent.agent_name, agent.hidden) == (AGENT, STEADY.agent, False)


async def test_every_create_adds_an_agent(visit: Visit) -> None:
    """CreateDispatch is not idempotent: the same call twice is two dispatches and two agents."""
    first, one = await visit.serve(STEADY)
    second, other = await visit.serve(STEADY)
    assert first.id != second.id
    assert agents(await visit.look()).keys() == {one, other}


async def test_a_rejected_job_has_ended_without_identity(visit: Visit) -> None:
    """A worker's no is seen in the job, and nobody comes (D7)."""
    made = await visit.create(SHY)
    snapshot = await visit.look_until(lambda snapshot: bool(jobs(snapshot, made.id)))
    [job] = jobs(snapshot, made.id)
    assert (job.identity, job.ended) == ("", True)
    assert agents(snapshot) == {}


async def test_a_deleted_dispatch_takes_its_agent_along(visit: Visit) -> None:
    """It is listed no more at once; the agent leaves a moment later."""
    made, identity = await visit.serve(STEADY)
    await visit.livekit.delete(visit.room, made.id)
    assert made.id not in {one.id for one in (await visit.look()).dispatches}
    await visit.look_until(lambda snapshot: identity not in agents(snapshot))


async def test_a_removed_agent_leaves_its_job_behind(visit: Visit) -> None:
    """RemoveParticipant takes the agent away; the job looks as if it ran (D2)."""
    made, identity = await visit.serve(STEADY)
    await visit.livekit.remove(visit.room, identity)
    snapshot = await visit.look_until(lambda snapshot: identity not in agents(snapshot))
    assert listed(snapshot, made.id) == made


async def test_what_is_gone_may_be_retracted_again(visit: Visit) -> None:
    """An unknown identity or dispatch is a success: it is gone already."""
    await visit.livekit.remove(visit.room, "nobody")
    await visit.livekit.remove(new_room(), "nobody")
    await visit.livekit.delete(visit.room, "AD_none")


async def test_a_delete_in_an_absent_room_is_unknown(livekit: LiveKit) -> None:
    """The server waits for the room's node, then says 503: only a look tells."""
    with pytest.raises(Unknown) as caught:
        await livekit.delete(new_room(), "AD_none")
    assert caught.value.reason is Reason.SERVER


async def test_tag_and_deployment_come_back(visit: Visit) -> None:
    """Both are in the echo of create, and listed from then on (D9)."""
    made = await visit.create(Target(NOBODY.agent, "blue"), tag="default:everyone#1")
    assert (made.deployment, made.tag) == ("blue", "default:everyone#1")
    assert listed(await visit.look(), made.id) == made


async def test_a_malformed_deployment_is_refused(visit: Visit) -> None:
    """LiveKit says 400: the target's fault, for good."""
    with pytest.raises(Refused) as caught:
        await visit.create(Target(NOBODY.agent, "not_allowed"))
    assert caught.value.reason is Reason.INVALID


async def test_a_create_opens_an_absent_room(livekit: LiveKit) -> None:
    """It lives, or lives again, with nobody in it and under a SID that no session knows (W4)."""
    room = new_room()
    made = await livekit.create(room, NOBODY, metadata="{}", tag="")
    snapshot = await (await visiting(livekit, room)).look()
    assert made.id in {one.id for one in snapshot.dispatches}
    assert snapshot.participants == ()


@pytest.mark.parametrize("call", ["look", "rooms", "create", "remove", "delete"])
async def test_a_wrong_secret_is_refused(home: Home, session: TwirpSession, visit: Visit, call: str) -> None:
    """Every call says so, and none says absent (Q4)."""
    stranger = door(home, session, "not-the-secret-but-quite-as-long-as-it-is")
    calls: Mapping[str, Callable[[], Awaitable[object]]] = {
        "look": lambda: stranger.look(visit.room, visit.sid),
        "rooms": stranger.rooms,
        "create": lambda: stranger.create(visit.room, NOBODY, metadata="", tag=""),
        "remove": lambda: stranger.remove(visit.room, "alice"),
        "delete": lambda: stranger.delete(visit.room, "AD_none"),
    }
    with pytest.raises(Refused) as caught:
        await calls[call]()
    assert caught.value.reason is Reason.UNAUTHORIZED
