"""A LiveKit with as many rooms as it was told of: `python -m bench.growth.many_rooms` writes its port.

Its list is made once, so that whoever reads it is what costs. Nobody is in any room.
"""

import asyncio

from aiohttp import web
from livekit.protocol import agent_dispatch, models
from livekit.protocol import room as room_service

from bench import stub
from dispatcher.livekit.answers import PROTOBUF


class Rooms:
    """None at first."""

    def __init__(self) -> None:
        self._all = b""

    async def open(self, request: web.Request) -> web.Response:
        """So many are open."""
        self._all = listed(*(f"room-{n}" for n in range(int(request.match_info["many"]))))
        return web.Response()

    async def answer(self, request: web.Request) -> web.Response:
        """One of LiveKit's methods."""
        body = await request.read()
        match request.match_info["method"]:
            case "ListRooms":
                names = room_service.ListRoomsRequest.FromString(body).names
                return web.Response(body=listed(*names) if names else self._all, content_type=PROTOBUF)
            case "ListParticipants":
                empty = room_service.ListParticipantsResponse().SerializeToString()
            case _:
                empty = agent_dispatch.ListAgentDispatchResponse().SerializeToString()
        return web.Response(body=empty, content_type=PROTOBUF)


def listed(*names: str) -> bytes:
    """The answer that has these rooms."""
    rooms = [models.Room(sid=f"RM_{name.rpartition('-')[2]}", name=name, creation_time_ms=1) for name in names]
    return room_service.ListRoomsResponse(rooms=rooms).SerializeToString()


async def main() -> None:
    """It answers until its standard input ends."""
    rooms = Rooms()
    await stub.serve(rooms.answer, web.put("/rooms/{many}", rooms.open))


if __name__ == "__main__":
    asyncio.run(main())
