"""What a large audience costs other rooms: `python -m bench.crowd`. About a minute.

Two services, each with a LiveKit of its own. One has a room of 5,000 people, of whom ten come and ten go each second;
20 rules ask for none of them. The other has no such room. Into both somebody joins other rooms, in turns, so that a
busy machine slows both alike: how long it takes until the agent is asked for, how long `/healthz`, and the CPU.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import ClientSession, TCPConnector, web
from livekit.protocol import agent, agent_dispatch, models
from livekit.protocol import room as room_service

from bench import stub
from bench.ledger import percentile
from dispatcher.livekit.answers import PROTOBUF
from dispatcher.livekit.webhook import sign
from tests.chaos.replicas import Replica
from tests.real.server import KEY, SECRET

PEOPLE: Final = 5_000
RULES: Final = 20
CHURN: Final = 10  # joins a second, and as many leave
OTHERS: Final = 10  # joins a second, into a room of their own each
SECONDS: Final = 25
SETTLE_S: Final = 8.0  # the first look at everybody, which no memory makes cheap
CROWD: Final = "webinar"
TICKS: Final = os.sysconf("SC_CLK_TCK")


class Person(NamedTuple):
    """Somebody in a room, as a webhook and a list show them."""

    room: str
    number: int

    @property
    def shown(self) -> Mapping[str, object]:
        """As protojson."""
        return {
            "sid": f"PA_{self.room}_{self.number}",
            "identity": f"user-{self.number}",
            "state": "ACTIVE",
            "joinedAtMs": "1700000000000",
            "metadata": json.dumps({"plan": "free", "seat": self.number}),
            "attributes": {"role": "listener", "language": "en"},
        }

    @property
    def listed(self) -> models.ParticipantInfo:
        """As ListParticipants shows them."""
        shown = self.shown
        return models.ParticipantInfo(
            sid=str(shown["sid"]),
            identity=str(shown["identity"]),
            state=models.ParticipantInfo.ACTIVE,
            joined_at_ms=1_700_000_000_000,
            metadata=str(shown["metadata"]),
            attributes={"role": "listener", "language": "en"},
        )


class Stub:
    """A LiveKit that lists whoever should be there, and remembers when it was asked for agents. Its lists are ready."""

    def __init__(self, people: int) -> None:
        self.asked: dict[str, float] = {}  # monotonic seconds, by room
        self.looks = 0  # at the crowd
        self._crowd = _people(*(Person(CROWD, number) for number in range(people)))

    async def answer(self, request: web.Request) -> web.Response:
        """One of LiveKit's methods."""
        body = await request.read()
        match request.match_info["method"]:
            case "ListRooms":
                said = self._rooms(room_service.ListRoomsRequest.FromString(body).names)
            case "ListParticipants":
                said = self._participants(room_service.ListParticipantsRequest.FromString(body).room)
            case "ListDispatch":
                said = self._dispatches(agent_dispatch.ListAgentDispatchRequest.FromString(body).room)
            case _:
                asked = agent_dispatch.CreateAgentDispatchRequest.FromString(body)
                self.asked[asked.room] = time.monotonic()
                said = agent_dispatch.AgentDispatch(id=f"AD_{asked.room}", agent_name="greeter").SerializeToString()
        return web.Response(body=said, content_type=PROTOBUF)

    async def asked_at(self, _: web.Request) -> web.Response:
        """When it was asked, by room, and how often the crowd was looked at."""
        return web.json_response({"asked": self.asked, "looks": self.looks})

    def _rooms(self, names: object) -> bytes:
        rooms = [models.Room(sid=f"RM_{name}", name=str(name)) for name in names or (CROWD, *self.asked)]  # type: ignore[attr-defined]
        return room_service.ListRoomsResponse(rooms=rooms).SerializeToString()

    def _participants(self, room: str) -> bytes:
        if room == CROWD:
            self.looks += 1
            return self._crowd
        greeter = models.ParticipantInfo(
            sid=f"PA_{room}_agent",
            identity="agent",
            kind=models.ParticipantInfo.AGENT,
            state=models.ParticipantInfo.ACTIVE,
        )
        return _people(Person(room, 0)) + (_list(greeter) if room in self.asked else b"")

    def _dispatches(self, room: str) -> bytes:
        if room not in self.asked:
            return b""
        job = agent.Job(id="AJ_1", state=agent.JobState(participant_identity="agent", status=agent.JS_RUNNING))
        state = agent_dispatch.AgentDispatchState(jobs=[job])
        made = agent_dispatch.AgentDispatch(id=f"AD_{room}", agent_name="greeter", state=state)
        return agent_dispatch.ListAgentDispatchResponse(agent_dispatches=[made]).SerializeToString()


def _people(*people: Person) -> bytes:
    return _list(*(one.listed for one in people))


def _list(*people: models.ParticipantInfo) -> bytes:
    return room_service.ListParticipantsResponse(participants=people).SerializeToString()


async def serve(people: int) -> None:
    """Answers at a port that it writes to standard output, until its standard input ends."""
    livekit = Stub(people)
    await stub.serve(livekit.answer, web.get("/asked", livekit.asked_at))


class Side(NamedTuple):
    """A service and its LiveKit, and what was measured there."""

    name: str
    livekit: str
    service: Replica
    sent: dict[str, float]  # monotonic seconds, by room
    healthy: list[float]  # ms


@asynccontextmanager
async def side(folder: Path, name: str, people: int) -> AsyncIterator[Side]:
    """A service that is ready."""
    stub = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.crowd", str(people), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert stub.stdout is not None
    assert stub.stdin is not None
    url = f"http://127.0.0.1:{int(await stub.stdout.readline())}"
    service = Replica(folder, name, environment(folder, url))
    try:
        await service.ready()
        yield Side(name, url, service, {}, [])
    finally:
        service.stop()
        stub.stdin.close()
        await stub.wait()


def environment(folder: Path, livekit: str) -> dict[str, str]:
    """One rule for the other rooms, and those that ask for hosts, of whom there are none."""
    file = folder / "dispatcher.yaml"
    hosts = [
        {
            "name": f"host-{number}",
            "agent": "greeter",
            "when": f"participant.attributes[?'role'].orValue('') == 'host-{number}'"
            if number % 2
            else f"participant_metadata.?plan.orValue('') == 'host-{number}'",
        }
        for number in range(1, RULES)
    ]
    others = {"name": "others", "agent": "greeter", "when": "room.name.startsWith('other-')"}
    file.write_text(json.dumps({"rules": [others, *hosts]}))  # JSON is YAML
    return {
        "LIVEKIT_URL": livekit,
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "DISPATCHER_CONFIG": str(file),
    }


async def send(http: ClientSession, where: Side, event: str, person: Person) -> None:
    """The webhook was taken."""
    said = {
        "event": event,
        "id": f"EV_{event}_{person.room}_{person.number}",
        "createdAt": str(int(time.time())),
        "room": {"sid": f"RM_{person.room}", "name": person.room},
        "participant": person.shown,
    }
    body = json.dumps(said).encode()
    token = sign(body, key=KEY, secret=SECRET, now=time.time_ns() // 1_000_000)
    async with http.post(f"{where.service.url}/webhook", data=body, headers={"Authorization": token}) as answer:
        assert answer.status == 200, await answer.text()


async def paced(rate: float, seconds: float = SECONDS) -> AsyncIterator[int]:
    """Numbers at this rate for so long, however long whoever takes them takes."""
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield number


async def churn(
    http: ClientSession, where: Side, *, people: int = PEOPLE, rate: float = CHURN, seconds: float = SECONDS
) -> None:
    """People come to the crowd and go; so many of each a second."""
    async with asyncio.TaskGroup() as group:
        async for number in paced(rate, seconds):
            group.create_task(send(http, where, "participant_joined", Person(CROWD, people + number)))
            group.create_task(send(http, where, "participant_left", Person(CROWD, number)))


async def others(http: ClientSession, sides: tuple[Side, ...]) -> None:
    """Somebody joins a new room, at each service in turn; whether it is well is asked as often."""
    async with asyncio.TaskGroup() as group:
        async for number in paced(OTHERS * len(sides)):
            where = sides[number % len(sides)]
            room = f"other-{number}"
            where.sent[room] = time.monotonic()
            group.create_task(send(http, where, "participant_joined", Person(room, 0)))
            group.create_task(healthy(http, where))


async def healthy(http: ClientSession, where: Side) -> None:
    """The service has said that it is alive."""
    began = time.monotonic()
    async with http.get(f"{where.service.url}/healthz") as answer:
        await answer.read()
    where.healthy.append((time.monotonic() - began) * 1_000)


def cpu(process: int) -> float:
    """Seconds of CPU that it has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def waits(http: ClientSession, where: Side) -> tuple[list[float], int]:
    """Ms from each join to the call that asks for the agent, in order; and how often the crowd was looked at."""
    async with http.get(f"{where.livekit}/asked") as answer:
        said = await answer.json()
    late = time.monotonic()
    every = sorted((said["asked"].get(room, late) - sent) * 1_000 for room, sent in where.sent.items())
    return every, said["looks"]


async def main() -> None:
    """A line for each service, and the ratios."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / name for name in ("empty", "crowd")]
        for folder in folders:
            folder.mkdir()
        async with (
            side(folders[0], "empty", 0) as empty,
            side(folders[1], f"{PEOPLE} people", PEOPLE) as crowd,
            ClientSession(connector=TCPConnector(limit=0)) as http,
        ):
            await send(http, crowd, "participant_joined", Person(CROWD, 0))
            await asyncio.sleep(SETTLE_S)
            before = [cpu(one.service.process.pid) for one in (empty, crowd)]
            await asyncio.gather(churn(http, crowd), others(http, (empty, crowd)))
            spent = [cpu(one.service.process.pid) - was for one, was in zip((empty, crowd), before, strict=True)]
            await asyncio.sleep(2)
            print(f"{'':14}  asked for, ms: p50    p99  slowest  /healthz, ms: p99    CPU  looks at the crowd")
            worst = []
            for one, took in zip((empty, crowd), spent, strict=True):
                every, looks = await waits(http, one)
                worst.append(percentile(every, 0.99))
                print(
                    f"{one.name:14}  {percentile(every, 0.5):18.1f}{worst[-1]:7.1f}{every[-1]:9.1f}"
                    f"{percentile(sorted(one.healthy), 0.99):19.1f}  {took / SECONDS:4.0%}{looks:20}"
                )
            print(f"other rooms beside {PEOPLE} people: p99 {worst[1] / worst[0]:.2f} times that of an empty service")


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])) if len(sys.argv) > 1 else main())
