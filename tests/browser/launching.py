"""A launcher that the page is looked at with: its processes are real, its LiveKit is a fake."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.launcher.launched import Stage, avatar, stage


@asynccontextmanager
async def launching(folder: Path) -> AsyncIterator[Stage]:
    """Two launches are in their rooms, one starts; one has crashed, and one was stopped."""
    launchers = (
        avatar("joined"),
        avatar("failing", name="translator", limit=2),
        avatar("telling", name="bot", limit=2),
        avatar("absent", name="slow", limit=1, join_within=600_000),
    )
    async with stage(folder, *launchers) as here:
        for room, person in (("sales-4711", "carol"), ("help-1", "bob")):
            await here.livekit.rooms.join(room, person)
        crashed = await here.launch("help-1", path="/launch/translator")
        stopped = await here.launch("sales-4711")
        await here.until(stopped, "joined")
        await here.stop(stopped)
        await here.until(crashed, "ended")
        await here.until(await here.launch("lobby"), "joined")
        await here.until(await here.launch("sales-4711", path="/launch/bot"), "joined")
        await here.launch("help-1", path="/launch/slow")
        yield here
