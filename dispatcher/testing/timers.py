"""When things happen in the fake: LiveKit's own spans, and the tasks that wait for them."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from dispatcher.core.facts import Ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """LiveKit's own spans, in seconds. With `speed` 50, all that the fake waits for takes a fiftieth of its span.

    `speed` holds for the spans of workers and faults too, and for a `Retry-After` that a receiver answers with;
    what a test itself waits for (`wait_until`) is in real seconds.
    """

    speed: float = 1.0
    absent_room: float = 3.0  # until ListDispatch or DeleteDispatch says 503 of a room that is not live (livekit.md §0)
    removal: float = (
        0.1  # from RemoveParticipant or DeleteDispatch until the participant is gone (0.2 s at most, livekit.md §0)
    )
    empty_timeout: int = 300  # from the opening of a room that nobody ever joined to its closing (docs/livekit.md §3)
    departure_timeout: int = 20  # from the last leave to the closing
    lost: float = 20.0  # from the death of somebody's process to their leaving (docs/livekit.md §0)
    webhook_retries: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)  # the waits between tries (docs/livekit.md §1.4)
    webhook_max_age: float = 30.0  # a webhook that waited longer is dropped
    webhook_max_depth: int = 200  # a webhook behind so many others of its room is dropped
    clock_ahead: float = 0.0  # LiveKit's clock less ours; in real seconds


class Timers:
    """All that will happen later; nothing of it happens after `aclose`. Belongs to the loop it is used in."""

    def __init__(self, timings: Timings) -> None:
        self._speed = timings.speed
        self._ahead = int(timings.clock_ahead * 1e9)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []

    def now_ns(self) -> int:
        """LiveKit's clock."""
        return time.time_ns() + self._ahead

    def now_ms(self) -> Ms:
        """The same, as all but dispatches and jobs have it."""
        return self.now_ns() // 1_000_000

    def later(self, span: float, act: Callable[[], object]) -> None:
        """`act` is called `span` seconds from now, at the fake's speed."""
        self.spawn(self._after(span, act))

    def spawn(self, story: Coroutine[Any, Any, None]) -> None:
        """`story` runs beside everything else until it ends or `aclose` cancels it."""
        task = asyncio.create_task(story)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def sleep(self, span: float) -> None:
        """`span` seconds have passed, at the fake's speed."""
        await asyncio.sleep(span / self._speed)

    def past(self, since: float) -> float:
        """How many seconds, at the fake's speed, have passed since `since` on the loop's clock."""
        return (asyncio.get_running_loop().time() - since) * self._speed

    async def aclose(self) -> None:
        """Nothing is pending any more. What went wrong in between is raised now: the fake itself has failed."""
        pending = tuple(self._tasks)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        if self._failures:
            raise BaseExceptionGroup("the fake LiveKit has failed", self._failures)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self._failures.append(failure)

    async def _after(self, span: float, act: Callable[[], object]) -> None:
        await self.sleep(span)
        act()
