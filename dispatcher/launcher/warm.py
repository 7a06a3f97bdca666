"""Processes that are started ahead, with everything imported, and wait for a launch."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from dispatcher.config import LauncherSettings
from dispatcher.launcher.interface import NotStarted, WarmWorker
from dispatcher.launcher.launch import Launch
from dispatcher.launcher.ways import Ways

EVERY_S: Final = 0.2
AGAIN_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # after so many in a row that have ended before they were needed


class WarmPool:
    """A launcher's. `places` says how many more processes may run: launches come before processes ahead."""

    def __init__(
        self,
        settings: LauncherSettings,
        ways: Ways,
        places: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._ways = ways
        self._places = places
        self._waiting = deque[tuple[str, WarmWorker]]()
        self._failures = 0
        self._stopped = False
        self._busy = asyncio.Lock()

    @property
    def size(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self, launch: Launch) -> WarmWorker | None:
        """One that waits, the oldest; the launch has the id that it was started with."""
        while self._waiting:
            launch_id, warm = self._waiting.popleft()
            if not warm.worker.exited.is_set():
                self._failures, launch.id = 0, launch_id
                return warm
            self._waiting.append((launch_id, warm))  # `run` clears it away
            if all(one.worker.exited.is_set() for _, one in self._waiting):
                return None
        return None

    def put_back(self, launch_id: str, warm: WarmWorker) -> None:
        """What was taken is not needed now: it is the next one that is."""
        self._waiting.appendleft((launch_id, warm))

    async def run(self) -> None:
        """Keep as many as are wanted, as far as there are places for them; until `stop`."""
        while not self._stopped:
            async with self._busy:
                pause = await self._kept()
            await asyncio.sleep(pause)

    async def stop(self) -> None:
        """None waits any more, nor is one started."""
        self._stopped = True
        async with self._busy:  # one may just be starting
            waiting, self._waiting = tuple(self._waiting), deque()
            await asyncio.gather(*(self._dismiss(*one) for one in waiting))

    async def _kept(self) -> float:
        """Start one if one is wanted, or end one that has no place; gives the seconds until it is time again."""
        failures = self._failures
        await self._clear_dead()
        while self.size and self._places() < self.size:  # a launch has taken the place
            await self._dismiss(*self._waiting.pop())
        if self._stopped or self.size >= self._settings.warm or self._places() <= self.size:
            return EVERY_S
        if self._failures == failures:
            await self._start()
        return 0 if self._failures == failures else AGAIN_S[min(self._failures, len(AGAIN_S)) - 1]

    async def _start(self) -> None:
        records = self._ways.records
        launch_id = records.make()
        try:
            records.save(Launch(id=launch_id, launcher=self._settings.name))
            warm = await self._ways.home.warm(self._settings, records.folder(launch_id), launch_id)
        except (NotStarted, OSError) as error:
            records.forget(launch_id)
            self._failed(str(error))
        else:
            self._waiting.append((launch_id, warm))

    async def _clear_dead(self) -> None:
        """Remove those that have ended by themselves, with what they have started."""
        dead = [one for one in self._waiting if one[1].worker.exited.is_set()]
        for launch_id, warm in dead:
            self._waiting.remove((launch_id, warm))
            self._failed(f"it ended before it was needed: {warm.worker.exit.signal or warm.worker.exit.code}")
            await self._dismiss(launch_id, warm)

    async def _dismiss(self, launch_id: str, warm: WarmWorker) -> None:
        warm.dismiss()
        await warm.worker.end(self._settings.stop_within / 1000)
        self._ways.logs.end(launch_id)
        self._ways.records.forget(launch_id)

    def _failed(self, why: str) -> None:
        self._failures += 1
        self._ways.recorder.warm_failed(self._settings.name, why)
