"""`python -m examples.join [ROOM] [IDENTITY]`: somebody joins a room, and sees what agents write. `make join` does so.

Lines that are typed are said to the agent by chat; Ctrl-C leaves. With `--token` nobody joins: a token for the room is
printed, for LiveKit's front ends. The variables LIVEKIT_… say where.
"""

import argparse
import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread
from typing import Final, Self

from livekit.api import AccessToken, VideoGrants
from livekit.rtc import Room, TextStreamReader

CHAT: Final = "lk.chat"  # LiveKit's own topic: its sample front ends show it


class Person:
    """Somebody in a room, for as long as the context is entered; `heard` is told who says what."""

    def __init__(self, url: str, token: str, heard: Callable[[str, str], None]) -> None:
        self._url, self._token, self._heard = url, token, heard
        self._room = Room()
        self._reading: set[asyncio.Task[None]] = set()
        self._room.register_text_stream_handler(CHAT, self._begins)

    async def say(self, text: str) -> None:
        """Say it to everybody, by chat."""
        await self._room.local_participant.send_text(text, topic=CHAT)

    async def __aenter__(self) -> Self:
        await self._room.connect(self._url, self._token)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._room.disconnect()

    def _begins(self, reader: TextStreamReader, identity: str) -> None:
        task = asyncio.create_task(self._read(reader, identity))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, reader: TextStreamReader, identity: str) -> None:
        self._heard(identity, await reader.read_all())


def token(environment: Mapping[str, str], room: str, identity: str) -> str:
    """What opens the room to this person."""
    made = AccessToken(environment["LIVEKIT_API_KEY"], environment["LIVEKIT_API_SECRET"])
    return made.with_identity(identity).with_grants(VideoGrants(room_join=True, room=room)).to_jwt()


async def joined(room: str, identity: str) -> None:
    """They are in the room until the process is told to end, and what agents say is printed."""

    def heard(who: str, text: str) -> None:
        print(f"{who}: {text}", flush=True)

    async with Person(os.environ["LIVEKIT_URL"], token(os.environ, room, identity), heard) as person:
        print(f"{identity} is in the room {room}. What you type is said to the agent; Ctrl-C leaves.", flush=True)
        loop = asyncio.get_running_loop()
        Thread(
            target=_typed, args=(lambda line: asyncio.run_coroutine_threadsafe(person.say(line), loop),), daemon=True
        ).start()
        await asyncio.Event().wait()


def _typed(say: Callable[[str], object]) -> None:
    """Every line is said. Read by the system's own call, so that nobody waits for this thread at the end."""
    with suppress(OSError):
        while typed := os.read(0, 4096):
            for line in typed.decode(errors="replace").splitlines():
                say(line)


def main() -> None:
    """Join, or print the token."""
    parser = argparse.ArgumentParser(prog="python -m examples.join", description=__doc__)
    parser.add_argument("room", nargs="?", default="lobby")
    parser.add_argument("identity", nargs="?", default="alice")
    parser.add_argument("--token", action="store_true", help="print a token, and do not join")
    chosen = parser.parse_args()
    if chosen.token:
        print(token(os.environ, chosen.room, chosen.identity))
        return
    with suppress(KeyboardInterrupt):
        asyncio.run(joined(chosen.room, chosen.identity))


if __name__ == "__main__":
    main()
