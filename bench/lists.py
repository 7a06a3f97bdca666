"""What long lists cost: `python -m bench.lists`. A quarter of a minute.

A process of its own answers ListRooms with 5,000 rooms of 20 kB of metadata each, and ListParticipants with 5,000
people. Each list is read three times, by livekit-api and by our door; the best counts. The pause is the most CPU time
that the loop spent between two turns of a task that is always ready: for as long no webhook is answered. The last line
is a whole service, in its first three seconds.
"""

import asyncio
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import ClientSession, web
from livekit.api import LiveKitAPI
from livekit.protocol import agent_dispatch, models
from livekit.protocol import room as room_service

from bench import stub
from dispatcher.app import running
from dispatcher.core.facts import RoomSid
from dispatcher.livekit.answers import PROTOBUF, twirp_session
from dispatcher.livekit.client import CallLimits, LiveKit
from dispatcher.telemetry.logs import Log
from tests.integration.house import config, rule
from tests.real.server import KEY, SECRET

MANY: Final = 5_000
ROUNDS: Final = 3


def bodies() -> Mapping[str, bytes]:
    """What is answered, by method."""
    codecs = [models.Codec(mime=mime) for mime in ("audio/opus", "audio/red", "video/VP8", "video/H264")]
    rooms = [
        models.Room(sid=f"RM_{n}", name=f"room-{n}", metadata="m" * 20_000, creation_time_ms=1, enabled_codecs=codecs)
        for n in range(MANY)
    ]
    people = [
        models.ParticipantInfo(sid=f"PA_{n}", identity=f"user-{n}", metadata="m" * 500, attributes={"a": "b", "c": "d"})
        for n in range(MANY)
    ]
    return {
        "ListRooms": room_service.ListRoomsResponse(rooms=rooms).SerializeToString(),
        "ListParticipants": room_service.ListParticipantsResponse(participants=people).SerializeToString(),
        "ListDispatch": agent_dispatch.ListAgentDispatchResponse().SerializeToString(),
    }


async def serve() -> None:
    """Answers at a port that it writes to standard output, until its standard input ends."""
    answers = bodies()
    named = room_service.ListRoomsResponse(rooms=[models.Room(sid="RM_1", name="room-1")]).SerializeToString()

    async def answer(request: web.Request) -> web.Response:
        method = request.match_info["method"]
        asked = await request.read()
        return web.Response(body=named if method == "ListRooms" and asked else answers[method], content_type=PROTOBUF)

    await stub.serve(answer)


async def measured(name: str, read: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> None:
    """The list was read, and what that took is printed."""
    pause, took = min([await _once(read) for _ in range(rounds)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:48}{took:8.0f}{pause:10.1f}{peak:10.0f}")


async def _once(read: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """The longest pause and the whole, in ms."""
    pauses = [0.0]

    async def turn() -> None:
        while True:
            left_at = time.thread_time()
            await asyncio.sleep(0)
            pauses.append(time.thread_time() - left_at)

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    began = time.perf_counter()
    await read()
    took = time.perf_counter() - began
    await asyncio.sleep(0)  # a pause that ends with the reading is one, too
    turning.cancel()
    return max(pauses) * 1_000, took * 1_000


async def swept(url: str) -> None:
    """A service has swept the rooms for three seconds."""
    async with running(config(url, rule("greeter")), Log(lambda _: None, time.time), version="bench"):
        await asyncio.sleep(3)


async def main() -> None:
    """A table is printed."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.lists", "serve", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdin is not None
    url = f"http://127.0.0.1:{int(await server.stdout.readline())}"
    patient = CallLimits(look=20, act=20)
    print(f"{'':48}{'whole ms':>8}{'pause ms':>10}{'peak MB':>10}")
    async with twirp_session() as session, ClientSession() as plain:
        ours = LiveKit(url, KEY, SECRET, session=session, observe=lambda *_: None, limits=patient)
        theirs = LiveKitAPI(url, KEY, SECRET, session=plain)
        people = room_service.ListParticipantsRequest(room="room-1")
        await measured("5,000 people, a look", lambda: ours.look("room-1", RoomSid("RM_1")))
        await measured("5,000 people, livekit-api, no look made of it", lambda: theirs.room.list_participants(people))
        await measured("5,000 rooms with 20 kB each, the sweep's list", ours.rooms)
        rooms = room_service.ListRoomsRequest()
        await measured("5,000 rooms with 20 kB each, livekit-api", lambda: theirs.room.list_rooms(rooms))
        await measured("5,000 rooms with 20 kB each, a service", lambda: swept(url), rounds=1)
    server.stdin.close()
    await server.wait()


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1:] == ["serve"] else main())
