"""All launches of all launchers: which are admitted, how each is lived, and what an earlier launcher has left."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from functools import partial
from typing import Final

from dispatcher.config import LauncherSettings
from dispatcher.launcher.admission import MayStart, NoPlace, SameToken, SpentToken, admit
from dispatcher.launcher.history import forget_old
from dispatcher.launcher.interface import LaunchedWorker, LaunchOrder, WarmWorker
from dispatcher.launcher.kin import boot_id, boot_ms
from dispatcher.launcher.launch import Launch, LaunchEnd
from dispatcher.launcher.life import LaunchLife
from dispatcher.launcher.recorder import LaunchResult
from dispatcher.launcher.wanted import LaunchAnswer, LaunchWanted
from dispatcher.launcher.warm import WarmPool
from dispatcher.launcher.ways import Ways

MEMORY_S: Final = 1.0  # between two looks at how much memory processes take


class Pool:
    """The launches. Those that have ended are kept for a while."""

    def __init__(self, launchers: Iterable[LauncherSettings], ways: Ways) -> None:
        self.launchers = {one.name: one for one in launchers}
        self.launches: dict[str, Launch] = {}  # the oldest first
        self.stopping = False
        self._ways = ways
        self._lives: dict[str, LaunchLife] = {}
        self._tasks = set[asyncio.Task[None]]()
        self._warm = {one.name: WarmPool(one, ways, partial(self.free, one.name)) for one in self.launchers.values()}

    def free(self, launcher: str) -> int:
        """How many more may run."""
        running = sum(one.launcher == launcher and not one.ended for one in self.launches.values())
        return max(0, self.launchers[launcher].limit - running)

    def warm(self, launcher: str) -> int:
        """How many processes wait for a launch."""
        return self._warm[launcher].size

    async def launch(self, wanted: LaunchWanted) -> LaunchAnswer:
        """Start a process for the request, unless it has one. Between the decision and its trace nothing is awaited."""
        if self.stopping:
            return LaunchAnswer(LaunchResult.STOPPING)
        settings = self.launchers[wanted.launcher]
        admission = admit(self.launches.values(), wanted.launcher, settings.limit, wanted.grants)
        match admission:
            case SameToken(launch_id):
                return await _answer(self._lives[launch_id], LaunchResult.REPEATED)
            case SpentToken(launch_id):
                return LaunchAnswer(LaunchResult.SPENT, self.launches[launch_id])
            case NoPlace():
                return LaunchAnswer(LaunchResult.FULL)
            case MayStart(replaces):
                return await self._begin(wanted, settings, replaces)

    async def stop(self, launch_id: str, *, wait: bool = True) -> Launch:
        """End a launch; then nothing of it runs, unless nobody waits for that. Raises KeyError."""
        if life := self._lives.get(launch_id):
            life.stop(LaunchEnd.STOPPED)
            if wait:
                await life.done.wait()
        return self.launches[launch_id]

    def adopt(self, launch: Launch, worker: LaunchedWorker) -> None:
        """Go on with a launch whose process an earlier launcher has started."""
        life = self._lives[launch.id] = LaunchLife(launch, self.launchers[launch.launcher], self._ways, None)
        self._ways.recorder.adopted(launch)
        self._spawn(life, life.go_on(worker))

    async def watch_memory(self) -> None:
        """End whoever takes more memory than allowed; until it is cancelled."""
        limits = {name: one.memory_max for name, one in self.launchers.items() if one.memory_max}
        while limits:
            taken = await self._ways.home.memory()
            for launch_id, life in self._lives.items():
                limit = limits.get(life.launch.launcher)
                if limit and taken.get(launch_id, 0) > limit:
                    life.stop(LaunchEnd.MEMORY)
            await asyncio.sleep(MEMORY_S)

    async def keep_warm(self) -> None:
        """Keep processes started ahead; until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for pool in self._warm.values():
                group.create_task(pool.run())

    def refuse(self) -> None:
        """Start nothing more."""
        self.stopping = True

    async def shut(self) -> None:
        """End all launches, or wait for their own end, as each launcher's `on_stop` says."""
        for life in self._lives.values():
            settings = self.launchers.get(life.launch.launcher)
            if settings is None or settings.on_stop == "end":
                life.stop(LaunchEnd.SHUTDOWN)
        await asyncio.gather(*(pool.stop() for pool in self._warm.values()), *self._tasks)

    async def _begin(self, wanted: LaunchWanted, settings: LauncherSettings, replaces: str) -> LaunchAnswer:
        grants = wanted.grants
        launch = Launch(
            id="",
            launcher=settings.name,
            project=grants.project,
            room=grants.room,
            identity=grants.identity,
            behalf=grants.behalf,
            fingerprint=grants.fingerprint,
            expires_at=grants.expires_at,
            accepted_at=self._ways.clock(),
            boot_id=boot_id(),
            accepted_boot=boot_ms(),
            room_sid=wanted.room_sid,
        )
        warm = self._warm[settings.name].take(launch)
        try:
            files = self._ways.records.begin(launch, wanted.files)
        except OSError as error:
            self._ways.recorder.unsaved(launch, error)
            self._forget(launch, warm)
            return LaunchAnswer(LaunchResult.FAILED)
        self.launches[launch.id] = launch
        before = self._lives.get(replaces)
        order = _order(launch, wanted, files)
        life = self._lives[launch.id] = LaunchLife(launch, settings, self._ways, order, before)
        self._ways.recorder.accepted(launch, replaces)
        if before is not None:
            before.stop(LaunchEnd.REPLACED)
        self._spawn(life, life.run(warm))
        return await _answer(life, LaunchResult.REPLACED if replaces else LaunchResult.LAUNCHED)

    def _forget(self, launch: Launch, warm: WarmWorker | None) -> None:
        """It never was."""
        if warm is not None:
            self._warm[launch.launcher].put_back(launch.id, warm)
        elif launch.id:
            self._ways.records.forget(launch.id)

    def _spawn(self, life: LaunchLife, living: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._lived(life, living))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._ways.recorder.stands(self.launches.values())

    async def _lived(self, life: LaunchLife, living: Coroutine[None, None, None]) -> None:
        """Live it to its end: a defect of ours leaves nothing running either."""
        try:
            await living
        except Exception as error:  # noqa: BLE001 the one place that catches all errors of a life
            self._ways.recorder.broke(life.launch, error)
            await self._ways.home.clear(life.launch.id)
            life.lost()
        del self._lives[life.launch.id]
        forget_old(self.launches, self._ways)
        self._ways.recorder.stands(self.launches.values())


def _order(launch: Launch, wanted: LaunchWanted, files: Mapping[str, str]) -> LaunchOrder:
    """What its process is told."""
    return LaunchOrder(
        id=launch.id,
        url=wanted.url,
        token=wanted.token,
        room=launch.room,
        identity=launch.identity,
        fields=wanted.fields,
        files=files,
    )


async def _answer(life: LaunchLife, result: LaunchResult) -> LaunchAnswer:
    return LaunchAnswer(result, life.launch) if await life.wait_begun() else LaunchAnswer(LaunchResult.FAILED)
