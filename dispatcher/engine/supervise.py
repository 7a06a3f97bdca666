"""Keeps the service's loops alive: an unexpected error is counted and loud, and ends nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeAlias

from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics, begin

AGAIN_S: Final = 1.0  # between a loop's failure and its next try; and how often the configured projects are looked at

Loop: TypeAlias = Callable[[], Awaitable[None]]


class Supervisor:
    """Runs loops until it is left; then each of them has ended."""

    def __init__(self, log: Log, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in reversed(self._running):
            await _end(task)

    def start(self, name: str, loop: Loop) -> None:
        """Run the loop from now on."""
        begin(self._metrics.loop_errors_total, [name])
        self._running.append(asyncio.create_task(self.keep(name, loop)))

    def start_for_each(
        self, projects: Callable[[], Collection[str]], name: str, loop: Callable[[str], Awaitable[None]]
    ) -> None:
        """Run the loop for every project that is configured at the time, and for no other."""
        self.start(name, partial(self._for_each, projects, name, loop))

    async def keep(self, name: str, loop: Loop) -> None:
        """Run the loop until it is cancelled, again and again if it fails."""
        while True:
            try:
                await loop()
            except Exception as error:  # noqa: BLE001 keeps the loop alive
                self._metrics.loop_errors_total.labels(loop=name).inc()
                self._log.error("loop.failed", loop=name, error=error)
            await asyncio.sleep(AGAIN_S)

    async def _for_each(
        self, projects: Callable[[], Collection[str]], name: str, loop: Callable[[str], Awaitable[None]]
    ) -> None:
        running: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                now = set(projects())
                for gone in running.keys() - now:
                    await _end(running.pop(gone))
                for new in now - running.keys():
                    running[new] = asyncio.create_task(self.keep(name, partial(loop, new)))
                await asyncio.sleep(AGAIN_S)
        finally:
            await _end(*running.values())


async def _end(*tasks: asyncio.Task[None]) -> None:
    """They have ended, each in its own time."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
