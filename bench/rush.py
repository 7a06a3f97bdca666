"""Many rooms opened at once: `python -m bench.rush`, on a real livekit-server with real agents.

LiveKit loses some of the dispatches that are created at once, and says nothing. Each line is the service at one pace,
or a handler that creates a dispatch for each webhook and does nothing else. A run takes about 30 s, plus 20 s a line.

The rooms are opened by the API, within milliseconds, and assignment their agent at once (`trigger: room_started`). With
`--people` somebody joins each; on a small machine their connecting spreads the rush over a second or two, and little is
lost.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web
from livekit.api import (
    CreateAgentDispatchRequest,
    CreateRoomRequest,
    DeleteRoomRequest,
    ListParticipantsRequest,
    LiveKitAPI,
)
from livekit.protocol.models import ParticipantInfo

from bench.witness import AGENT, OPENED, PERSON, Witness, receiving, witnessing
from tests.e2e.house import Service, serving
from tests.real.people import present
from tests.real.server import Server, free_port, running_server
from tests.real.workers import start_worker, wait_registered

GREETER: Final = "greeter"
NAIVE: Final = "naive"
PACES: Final = (NAIVE, "off", "50/s:3", "20/s:1", "100/s:3")
WITHIN_S: Final = 60.0  # for every room to have its agent
NAIVE_S: Final = 20.0  # later than that nothing comes where nothing is tried again
IDLE_S: Final = 10.0  # in which workers forget the last run: with no job in hand they take the fewest at once
SETTLE_S: Final = 3.0  # in which a second agent would come
HEADER: Final = "pace      workers  exactly one  first attempt  surplus  median s  slowest s  load"


class Stage(NamedTuple):
    """A LiveKit, who hears of its events, and the service, unless the naive handler takes its place."""

    server: Server
    api: LiveKitAPI
    witness: Witness
    service: Service | None
    people: bool


class Rush(NamedTuple):
    """How one run ended."""

    served: int  # rooms with exactly one agent
    first: int  # of them by the first attempt
    surplus: int  # rooms with more, and agents that the service has removed
    waits: list[float]  # seconds from a person's (or the room's) webhook to the agent's


async def rush(stage: Stage, rooms: Sequence[str]) -> Rush:
    """The rooms are opened, all at once, and closed once every one has had its agent."""
    async with AsyncExitStack() as people:
        await asyncio.gather(*(opened(stage, room, people) for room in rooms))
        await stage.witness.all_served(set(rooms), WITHIN_S if stage.service else NAIVE_S)
        await asyncio.sleep(SETTLE_S)
        agents = [await count_agents(stage.api, room) for room in rooms]
    for room in rooms:
        await stage.api.room.delete_room(DeleteRoomRequest(room=room))
    await stage.witness.all_finished(set(rooms), within=10)
    await asyncio.sleep(IDLE_S)
    joins, served, start = stage.witness.joins, agents.count(1), PERSON if stage.people else OPENED
    return Rush(
        served=served,
        first=served - retried(stage.service, rooms),
        surplus=sum(number > 1 for number in agents)
        + told(stage.service, rooms, action="attempt.retracted", part="agent"),
        waits=[joins[room, AGENT].at - joins[room, start].at for room in rooms if (room, AGENT) in joins],
    )


async def opened(stage: Stage, room: str, people: AsyncExitStack) -> None:
    """The room is open, with somebody in it if people are wanted."""
    if stage.people:
        await people.enter_async_context(present(stage.server, room))
    else:
        await stage.api.room.create_room(CreateRoomRequest(name=room))


async def count_agents(api: LiveKitAPI, room: str) -> int:
    """How many agents LiveKit lists in the room as ACTIVE."""
    listed = await api.room.list_participants(ListParticipantsRequest(room=room))
    return sum(one.kind == ParticipantInfo.AGENT and one.state == ParticipantInfo.ACTIVE for one in listed.participants)


def retried(service: Service | None, rooms: Sequence[str]) -> int:
    """How many of the rooms were asked for an agent more than once."""
    asked = service.lines(action="dispatch.requested") if service else []
    return len({line["room"] for line in asked if line["number"] > 1} & set(rooms))


def told(service: Service | None, rooms: Sequence[str], **fields: object) -> int:
    """How many such lines the service has written of these rooms."""
    return sum(line["room"] in rooms for line in service.lines(**fields)) if service else 0


async def dispatch(server: Server, wanted_at: str, request: web.Request) -> web.Response:
    """What one writes first: a webhook says that a person has joined (or a room started), a dispatch is created."""
    event = json.loads(await request.read())
    if event["event"] == wanted_at and "kind" not in event.get("participant", {}):
        async with LiveKitAPI(server.url, server.key, server.secret) as api:
            wanted = CreateAgentDispatchRequest(room=event["room"]["name"], agent_name=GREETER)
            await api.agent_dispatch.create_dispatch(wanted)
    return web.Response()


@asynccontextmanager
async def staged(directory: Path, pace: str, workers: int, *, people: bool) -> AsyncIterator[Stage]:
    """LiveKit, so many workers, and the service at this pace (or the naive handler) run."""
    port = free_port()
    path = "" if pace == NAIVE else "webhook"
    wanted_at = "participant_joined" if people else "room_started"
    async with AsyncExitStack() as stack:
        witness = await stack.enter_async_context(witnessing())
        hooks = [f"http://127.0.0.1:{port}/{path}", witness.url]
        server = stack.enter_context(running_server(directory, webhooks=hooks))
        api = await stack.enter_async_context(LiveKitAPI(server.url, server.key, server.secret))
        if pace == NAIVE:
            service = None
            await stack.enter_async_context(receiving(port, partial(dispatch, server, wanted_at)))
        else:
            arguments = ("--config", str(configured(directory, pace, people=people)))
            service = stack.enter_context(serving(server, directory, port, *arguments))
        started = [stack.enter_context(start_worker(server, directory, GREETER)) for _ in range(workers)]
        wait_registered(*started)
        yield Stage(server, api, witness, service, people)


def configured(directory: Path, pace: str, *, people: bool) -> Path:
    """A configuration with one rule and this pace: off, or N/s:BURST."""
    rate, _, burst = pace.partition("/s:")
    chosen = None if pace == "off" else {"per_second": int(rate), "burst": int(burst)}
    file = directory / "dispatcher.yaml"
    rule = {"name": "everyone", "agent": GREETER, "trigger": "participant_joined" if people else "room_started"}
    file.write_text(json.dumps({"rules": [rule], "create_rate": chosen}))  # JSON is YAML
    return file


async def measure(pace: str, workers: int, rooms: int, runs: int, *, people: bool) -> None:
    """One line of the table, of so many runs; one room before them, as a new worker's jobs are listed late."""
    with tempfile.TemporaryDirectory() as scratch:
        async with staged(Path(scratch), pace, workers, people=people) as stage:
            await rush(stage, ["warm-up"])
            results = [await rush(stage, [f"room-{run}-{n}" for n in range(rooms)]) for run in range(runs)]
    waits = [wait for result in results for wait in result.waits]
    served = " ".join(str(result.served) for result in results)
    first = " ".join(str(result.first) for result in results)
    surplus = sum(result.surplus for result in results)
    print(
        f"{pace:9} {workers:7}  {served:>11}  {first:>13}  {surplus:7}  {statistics.median(waits):8.2f}"
        f"  {max(waits):9.2f}  {os.getloadavg()[0]:4.1f}",
        flush=True,
    )


async def main() -> None:
    """A table of what was asked for on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rooms", type=int, default=30)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--pace", nargs="+", default=PACES, help="naive, off, or N/s:BURST")
    parser.add_argument("--people", action="store_true", help="somebody joins each room")
    chosen = parser.parse_args()
    print(f"{chosen.rooms} rooms at once, {chosen.runs} runs\n{HEADER}")
    for workers in chosen.workers:
        for pace in chosen.pace:
            await measure(pace, workers, chosen.rooms, chosen.runs, people=chosen.people)


if __name__ == "__main__":
    asyncio.run(main())
