"""People who come and go, and an eye on their rooms: whether each has its agent, and whether one ever had two."""

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from typing import Final

from dispatcher.testing import FakeLiveKit, NeverSeen

CLOSE_S: Final = 0.02  # between two rooms at the end


class Crowd:
    """Opens rooms, each with one person. The share `leaving` leaves, or has its room closed, after so many seconds."""

    def __init__(self, livekit: FakeLiveKit, *, leaving: float = 0.3, after: tuple[float, float] = (0.2, 3.0)) -> None:
        self.rooms: dict[str, float] = {}  # when somebody came, by time.monotonic
        self.twice: set[str] = set()  # rooms that had two agents at once
        self._livekit = livekit
        self._leaving_share = leaving
        self._after = after
        self._dice = random.Random(0)  # noqa: S311 - a repeatable test
        self._leaving: set[asyncio.Task[None]] = set()

    async def come(self, seconds: float, per_second: float) -> None:
        """So many rooms a second were opened."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self.join()
            await asyncio.sleep(self._dice.uniform(0, 2 / per_second))

    async def join(self) -> None:
        """One more room has one person in it."""
        room = f"room-{len(self.rooms):05}"
        self.rooms[room] = time.monotonic()
        await self._livekit.rooms.join(room, "alice")
        if self._dice.random() < self._leaving_share:
            task = asyncio.create_task(self._go(room))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def gone(self) -> None:
        """Who wanted to leave has left."""
        await asyncio.gather(*self._leaving)

    async def close(self) -> None:
        """Every room is closed."""
        await self.gone()
        for room in self._livekit.rooms.names():
            if room in self._livekit.rooms.names():
                await self._livekit.rooms.close(room)
            await asyncio.sleep(CLOSE_S)

    def agents(self, room: str) -> int:
        """How many agents are in the room."""
        return len(self._livekit.rooms.agents_in(room))

    def wrong(self, before: float = float("inf")) -> list[str]:
        """Rooms that somebody came to before this instant and waits in without exactly one agent."""
        return [
            room
            for room in self._livekit.rooms.names()
            if self.rooms[room] < before and self._livekit.rooms.people_in(room) and self.agents(room) != 1
        ]

    def surplus(self) -> list[str]:
        """Rooms with more than one agent now."""
        return [room for room in self._livekit.rooms.names() if self.agents(room) > 1]

    def asked_twice(self) -> int:
        """CreateDispatch calls beyond the first for one number of one assignment."""
        tags = Counter((call.room, call.attributes["dispatcher.assignment"]) for call in self._livekit.create_calls)
        return sum(number - 1 for number in tags.values())

    async def watch(self, within: float) -> None:
        """Remembers every room that ever has two agents, until it is cancelled or `within` seconds have passed."""
        with suppress(NeverSeen):
            await self._livekit.wait_until(self._note, within=within)

    def _note(self) -> bool:
        self.twice.update(self.surplus())
        return False

    async def _go(self, room: str) -> None:
        await asyncio.sleep(self._dice.uniform(*self._after))
        if self._dice.random() < 0.5:
            await self._livekit.rooms.leave(room, "alice")
        else:
            await self._livekit.rooms.close(room)
