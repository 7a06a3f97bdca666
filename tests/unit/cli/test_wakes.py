"""When a view is shown anew."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest

from dispatcher.cli.wakes import Pauses, Wakes
from dispatcher.client import Happened, RequestFailed
from dispatcher.client.events import Told

ALIVE = Told("1", None)
JOINED = Told("2", Happened(project="p", room="lobby", session="RM_1", at=1, event="agent.joined", text="it is there"))
HOUR = 3_600.0

Piece: TypeAlias = Told | RequestFailed | None  # None: the stream ends


class Stream:
    """The service's events, as a test gives them."""

    def __init__(self, *pieces: Piece) -> None:
        self.pieces = asyncio.Queue[Piece]()
        self.connections = 0
        for one in pieces:
            self.pieces.put_nowait(one)

    async def listen(self) -> AsyncGenerator[Told]:
        self.connections += 1
        while (piece := await self.pieces.get()) is not None:
            if isinstance(piece, RequestFailed):
                raise piece
            yield piece


@asynccontextmanager
async def listening(stream: Stream, unheard: float = HOUR) -> AsyncIterator[Wakes]:
    """Somebody watches, and would wait an hour if nothing happened."""
    wakes = Wakes(stream.listen, Pauses(apart=0.0, unheard=unheard, calm=HOUR, again=0.0))
    running = asyncio.create_task(wakes.run())
    async with asyncio.timeout(20):
        yield wakes
    running.cancel()
    await asyncio.wait([running])


async def still(wakes: Wakes) -> bool:
    """Nothing is to be shown."""
    try:
        async with asyncio.timeout(0.1):
            await wakes.pause()
    except TimeoutError:
        return True
    return False


async def test_what_happens_is_shown_at_once() -> None:
    """Once, however much it is; and what may have happened before anybody listened."""
    stream = Stream(ALIVE)
    async with listening(stream) as wakes:
        await wakes.pause()
        assert await still(wakes)
        stream.pieces.put_nowait(JOINED)
        stream.pieces.put_nowait(JOINED)
        await wakes.pause()
        assert await still(wakes)


async def test_that_the_service_is_there_is_no_news() -> None:
    """It says so every 15 s."""
    stream = Stream(ALIVE)
    async with listening(stream) as wakes:
        await wakes.pause()
        stream.pieces.put_nowait(ALIVE)
        assert await still(wakes)
        assert wakes.heard


@pytest.mark.parametrize(
    "end", [None, RequestFailed("nobody", error="unreachable"), RequestFailed("busy", error="busy", status=503)]
)
async def test_who_is_not_heard_any_more_is_listened_to_again(end: Piece) -> None:
    """What has happened meanwhile is shown."""
    stream = Stream(ALIVE)
    async with listening(stream) as wakes:
        await wakes.pause()
        stream.pieces.put_nowait(end)
        await wakes.pause()
        while stream.connections < 2:
            await asyncio.sleep(0)
        assert not wakes.heard
        stream.pieces.put_nowait(ALIVE)
        await wakes.pause()
        assert wakes.heard


async def test_where_nothing_is_heard_views_follow_each_other_all_the_same() -> None:
    """A service that refuses to be heard is not asked again."""
    stream = Stream(RequestFailed("it has no such thing", error="not_found", status=404))
    async with listening(stream, unheard=0.01) as wakes:
        await wakes.pause()
        await wakes.pause()
        assert (stream.connections, wakes.heard) == (1, False)


async def test_views_are_apart() -> None:
    """However much happens, and where nothing is heard."""
    stream = Stream(JOINED)
    wakes = Wakes(stream.listen, Pauses(apart=HOUR))
    running = asyncio.create_task(wakes.run())
    assert await still(wakes)
    running.cancel()
    await asyncio.wait([running])
