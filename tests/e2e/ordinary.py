"""Ordinary things that happen in rooms, played on a real livekit-server: for how long is somebody without an agent?

The tests bound each (`test_ordinary.py`); `python -m bench.ordinary` prints them all.
"""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from livekit.api import DeleteRoomRequest, ListParticipantsRequest, LiveKitAPI, UpdateParticipantRequest
from livekit.protocol.models import ParticipantInfo

from tests.e2e.house import Service, serving
from tests.real.people import Grant, present
from tests.real.server import Server, free_port, running_server
from tests.real.workers import start_worker, wait_registered

Seconds: TypeAlias = float | None  # None: not within the time that was waited
Play: TypeAlias = Callable[["Scene", str], Awaitable[Seconds]]  # in a room of this name

AWAY_S: Final = 0.5  # a page that is loaded again
LATE_S: Final = 2.0  # from joining to what a rule reads of the person
WRONGLY_S: Final = 10.0  # in which an agent that nobody needs would come
QUIET_S: Final = 65.0  # longer than livekit-server remembers which workers there are
REVIVED_S: Final = 15.0  # in which an agent comes that was asked for as its room died
ALONE_S: Final = 90.0  # in which it is taken back, or not


class Worker(NamedTuple):
    """A worker of this name, and what its agents do (tests/real/agent.py)."""

    agent: str
    behaviour: str = "stay"
    after: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What happens, row by row of the table: one after the other, with the same service."""

    rows: Mapping[str, Play]
    rules: Sequence[Mapping[str, object]]
    workers: Sequence[Worker]


@dataclass(slots=True, kw_only=True)
class Scene:
    """A LiveKit, its workers, and the configuration of the service that its webhooks go to."""

    server: Server
    api: LiveKitAPI
    directory: Path
    port: int
    stay: float  # seconds that an agent has been there before something happens: longer than `min_stay`
    within: float  # seconds that an agent is waited for

    @contextmanager
    def service(self) -> Iterator[Service]:
        """It runs, and knows nothing of what was before."""
        with serving(self.server, self.directory, self.port, "--config", str(self.directory / "dispatcher.yaml")) as it:
            yield it

    async def agents(self, room: str) -> set[str]:
        """SIDs of the agents that LiveKit lists in the room as ACTIVE."""
        listed = await self.api.room.list_participants(ListParticipantsRequest(room=room))
        agents = [one for one in listed.participants if one.kind == ParticipantInfo.AGENT]
        return {one.sid for one in agents if one.state == ParticipantInfo.ACTIVE}

    async def served(self, room: str, within: float | None = None) -> Seconds:
        """Seconds from now until an agent is there."""
        return await self._until(room, bool, within or self.within)

    async def again(self, room: str, first: str) -> Seconds:
        """Seconds from this agent's leaving, which is waited for, until another is there."""
        left = await self._until(room, lambda agents: first not in agents, self.within)
        assert left is not None, "the agent never left"
        return await self.served(room)

    async def agent_alone(self, room: str) -> Seconds:
        """Seconds for which an agent that comes within 15 s is there; 0.0 where none comes."""
        came = await self.served(room, REVIVED_S)
        return 0.0 if came is None else await self._until(room, lambda agents: not agents, ALONE_S)

    async def greeted(self, room: str) -> str:
        """An agent is there, and has been for a while: its SID."""
        assert await self.served(room) is not None, "no agent to begin with"
        (agent,) = await self.agents(room)
        await asyncio.sleep(self.stay)
        return agent

    async def _until(self, room: str, true: Callable[[set[str]], bool], within: float) -> Seconds:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < within:
            if true(await self.agents(room)):
                return passed
            await asyncio.sleep(0.05)
        return None


@asynccontextmanager
async def scene(
    directory: Path, situation: Situation, *, stay: float = 6.0, within: float = 40.0, **defaults: object
) -> AsyncIterator[Scene]:
    """LiveKit and the workers run; the service does not yet."""
    port = free_port()
    (directory / "dispatcher.yaml").write_text(json.dumps({"rules": list(situation.rules), "defaults": defaults}))
    with ExitStack() as stack:
        server = stack.enter_context(running_server(directory, webhooks=[f"http://127.0.0.1:{port}/webhook"]))
        started = [
            stack.enter_context(start_worker(server, directory, agent, behaviour=behaviour, after=after))
            for agent, behaviour, after in situation.workers
        ]
        wait_registered(*started)
        async with LiveKitAPI(server.url, server.key, server.secret) as api:
            yield Scene(server=server, api=api, directory=directory, port=port, stay=stay, within=within)


async def reloaded(here: Scene, room: str) -> Seconds:
    """The page is loaded again, and the agent leaves a second after the connection that it was bound to."""
    async with present(here.server, room, "alice"):
        agent = await here.greeted(room)
    await asyncio.sleep(AWAY_S)
    async with present(here.server, room, "alice"):
        return await here.again(room, agent)


async def reloaded_beside_another(here: Scene, room: str) -> Seconds:
    """The same, and somebody else was there all along."""
    async with AsyncExitStack() as there:
        async with present(here.server, room, "alice"):
            await here.served(room)
            await there.enter_async_context(present(here.server, room, "bob"))
            agent = await here.greeted(room)
        await asyncio.sleep(AWAY_S)
        await there.enter_async_context(present(here.server, room, "alice"))
        return await here.again(room, agent)


async def joined_twice(here: Scene, room: str) -> Seconds:
    """The page is open a second time: LiveKit ends the first connection (DUPLICATE_IDENTITY)."""
    async with present(here.server, room, "alice"):
        agent = await here.greeted(room)
        async with present(here.server, room, "alice"):
            return await here.again(room, agent)


async def left_alone(here: Scene, room: str) -> Seconds:
    """The agent leaves by itself, as its behaviour is."""
    async with present(here.server, room):
        agent = await here.greeted(room)
        return await here.again(room, agent)


async def deployed(here: Scene, room: str) -> Seconds:
    """A new worker is up, then the old one is told to stop, and ends its agents."""
    with start_worker(here.server, here.directory, "greeter") as old:
        wait_registered(old)
        async with present(here.server, room):
            agent = await here.greeted(room)
            with start_worker(here.server, here.directory, "greeter") as new:
                wait_registered(new)
                old.signal(signal.SIGTERM)
                return await here.again(room, agent)


async def told_late(here: Scene, room: str) -> Seconds:
    """Somebody's metadata says what a rule reads 2 s after they have joined."""
    async with present(here.server, room, "alice"):
        await asyncio.sleep(LATE_S)
        gold = UpdateParticipantRequest(room=room, identity="alice", metadata='{"tier": "gold"}')
        await here.api.room.update_participant(gold)
        return await here.served(room)


async def answered_late(here: Scene, room: str) -> Seconds:
    """A telephone is answered 2 s after it has joined, ringing."""
    async with present(here.server, room, "alice", kind="sip", attributes={"sip.callStatus": "ringing"}):
        await asyncio.sleep(LATE_S)
        active = UpdateParticipantRequest(room=room, identity="alice", attributes={"sip.callStatus": "active"})
        await here.api.room.update_participant(active)
        return await here.served(room)


def granted(grant: Grant) -> Play:
    """Somebody is there alone whom nothing but this grant marks: seconds until an agent comes, wrongly."""

    async def play(here: Scene, room: str) -> Seconds:
        async with present(here.server, room, grant=grant):
            return await here.served(room, WRONGLY_S)

    return play


async def joined(here: Scene, room: str) -> Seconds:
    """Somebody joins."""
    async with present(here.server, room):
        return await here.served(room)


async def joined_after_quiet(here: Scene, room: str) -> Seconds:
    """Nothing has happened for so long that LiveKit has forgotten which workers there are; then somebody joins."""
    await asyncio.sleep(QUIET_S)
    return await joined(here, room)


async def called(here: Scene, room: str) -> Seconds:
    """A caller on the sales line."""
    line = {"sip.trunkPhoneNumber": "+442079460000", "sip.phoneNumber": "+442079460999"}
    async with present(here.server, room, kind="sip", attributes=line):
        return await here.served(room)


async def deleted(here: Scene, room: str) -> Seconds:
    """Five rooms, each deleted the moment after somebody has joined: the longest that an agent sits in one alone."""
    rooms = [f"{room}-{number}" for number in range(5)]
    watched = []
    for name in rooms:
        async with present(here.server, name):
            await here.api.room.delete_room(DeleteRoomRequest(room=name))
        watched.append(asyncio.create_task(here.agent_alone(name)))
    alone = await asyncio.gather(*watched)
    return None if None in alone else max(filter(None, alone), default=0.0)


EVERYONE: Final = ({"name": "everyone", "agent": "greeter"},)
GREETER: Final = (Worker("greeter"),)
LINE: Final = ({"name": "line", "agent": "first", "fallback": ["greeter"]},)
GOLD: Final = ({"name": "gold", "agent": "greeter", "when": "participant_metadata.?tier.orValue('') == 'gold'"},)
ANSWERED: Final = (
    {
        "name": "answered",
        "agent": "greeter",
        "when": "participant.attributes[?'sip.callStatus'].orValue('') == 'active'",
    },
)
TELEPHONE: Final = (  # README.md's
    {
        "name": "sales-line",
        "agent": "sales",
        "when": "phone(participant.attributes['sip.trunkPhoneNumber'], 'GB') == '+442079460000'",
        "fallback": ["overflow", "voicemail"],
    },
)

SITUATIONS: Final[Mapping[str, Situation]] = {
    "reloaded": Situation(
        rows={"page loaded again": reloaded, "the same beside another person": reloaded_beside_another},
        rules=EVERYONE,
        workers=(Worker("greeter", "bound", 1.0),),
    ),
    "twice": Situation(
        rows={"page open twice": joined_twice}, rules=EVERYONE, workers=(Worker("greeter", "bound", 1.0),)
    ),
    "raised": Situation(
        rows={"exception in the eighth second": left_alone}, rules=EVERYONE, workers=(Worker("greeter", "crash", 7.5),)
    ),
    "deployed": Situation(rows={"deploy: new worker up, old one ends": deployed}, rules=EVERYONE, workers=()),
    "told-late": Situation(rows={"metadata set 2 s after joining": told_late}, rules=GOLD, workers=GREETER),
    "answered-late": Situation(
        rows={"sip.callStatus active after 2 s": answered_late}, rules=ANSWERED, workers=GREETER
    ),
    "granted": Situation(
        rows={"only the grant recorder": granted("recorder"), "only the grant agent": granted("agent")},
        rules=EVERYONE,
        workers=GREETER,
    ),
    "rejected": Situation(
        rows={"rejected after a quiet minute": joined_after_quiet},
        rules=LINE,
        workers=(Worker("first", "reject"), Worker("greeter")),
    ),
    "absent": Situation(
        rows={"no worker of the first name": joined, "the second room": joined}, rules=LINE, workers=GREETER
    ),
    "telephone": Situation(
        rows={"README's rule, only the last fallback": called, "the second caller": called},
        rules=TELEPHONE,
        workers=(Worker("voicemail"),),
    ),
    "deleted": Situation(rows={"room deleted as somebody joins": deleted}, rules=EVERYONE, workers=GREETER),
}
