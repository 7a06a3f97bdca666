"""When a view is shown anew: as something changes, where the service's events can be heard; elsewhere every 2 s."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Final

from msgspec import Struct

from dispatcher.client import RequestFailed
from dispatcher.client.events import Told

AWAY: Final = frozenset({0, 502, 503, 504})  # nobody answers, or not for now; any other refusal stays


class Pauses(Struct, frozen=True, kw_only=True):
    """Seconds."""

    apart: float = 0.5  # between two views, however much changes
    unheard: float = 2.0  # where no events are heard
    calm: float = 10.0  # where they are, and nothing changes: views say how long ago something was
    again: float = 5.0  # until somebody who is not heard any more is listened to again


USUAL: Final = Pauses()


class Wakes:
    """Knows when something may have changed, by `listen`: one connection's events."""

    def __init__(self, listen: Callable[[], AsyncGenerator[Told]], pauses: Pauses) -> None:
        self.heard = False
        self._listen = listen
        self._pauses = pauses
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Listen for as long as it takes; where the service refuses to be heard it is not asked again."""
        while True:
            try:
                async with aclosing(self._listen()) as stream:
                    async for told in stream:
                        self._hear(told)
            except RequestFailed as failed:
                if failed.status not in AWAY:
                    return
            finally:
                self._lose()
            await asyncio.sleep(self._pauses.again)

    async def pause(self) -> None:
        """Return when it is time for the next view."""
        await asyncio.sleep(self._pauses.apart)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pauses.calm if self.heard else self._pauses.unheard - self._pauses.apart):
                await self._changed.wait()
        self._changed.clear()

    def _hear(self, told: Told) -> None:
        """Whoever is heard for the first time may have said something before."""
        if told.happened is not None or not self.heard:
            self._changed.set()
        self.heard = True

    def _lose(self) -> None:
        if self.heard:
            self._changed.set()
        self.heard = False
