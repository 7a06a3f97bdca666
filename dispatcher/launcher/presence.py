"""Looks at rooms: who is there, as LiveKit says it now. Webhooks only say when to look."""

import asyncio
from collections.abc import Mapping

from dispatcher.launcher.judgement import RoomSeen
from dispatcher.launcher.kin import boot_ms
from dispatcher.livekit.client import LiveKit


class RoomWatch:
    """The rooms of all projects, and who waits for news of one."""

    def __init__(self, livekits: Mapping[str, LiveKit]) -> None:
        self._livekits = livekits
        self._waiting: dict[tuple[str, str], set[asyncio.Event]] = {}

    async def look(self, project: str, room: str) -> RoomSeen:
        """Who is in the room now. Raises LiveKitError: then nothing is known."""
        livekit, began = self._livekits[project], boot_ms()
        people = asyncio.create_task(livekit.people(room))
        try:
            lives = await livekit.room(room)
            if lives is None:  # then some servers fail to list people
                return RoomSeen(began_boot=began, sid="", active={})
            active = {one.identity: one.sid for one in await people if one.active}
            return RoomSeen(began_boot=began, sid=lives.sid, active=active)
        finally:
            people.cancel()

    def tell(self, project: str, room: str) -> None:
        """Something has happened in the room: whoever watches it looks now."""
        for news in self._waiting.get((project, room), ()):
            news.set()

    def watch(self, project: str, room: str) -> asyncio.Event:
        """An event that is set whenever something is told of the room; `leave` it in the end."""
        news = asyncio.Event()
        self._waiting.setdefault((project, room), set()).add(news)
        return news

    def leave(self, project: str, room: str, news: asyncio.Event) -> None:
        """Nobody watches it any more."""
        watching = self._waiting[project, room]
        watching.discard(news)
        if not watching:
            del self._waiting[project, room]
