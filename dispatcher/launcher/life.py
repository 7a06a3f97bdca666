"""The life of one launch: its process is started, seen in the room, and ended with all that it has started.

Whatever ends it comes as one of LaunchEnd: by a look at the room, by the process itself, by its time, or by an order.
"""

import asyncio
from typing import Final

from dispatcher.config import LauncherSettings
from dispatcher.launcher.interface import Exit, LaunchedWorker, LaunchOrder, NotStarted, WarmWorker
from dispatcher.launcher.kin import boot_ms
from dispatcher.launcher.launch import TRIES, Launch, LaunchEnd, LaunchState, Start
from dispatcher.launcher.looks import LaunchLooks
from dispatcher.launcher.processes import Unkillable
from dispatcher.launcher.ways import Ways
from dispatcher.livekit.failures import LiveKitError

_FAILED: Final = frozenset({LaunchEnd.NO_SHOW, LaunchEnd.EXITED, LaunchEnd.CRASHED})


class LaunchLife:
    """One launch's life, once the life `after` which it comes is done.

    `order` None: it has been adopted with its process, and none can be started for it.
    """

    def __init__(
        self,
        launch: Launch,
        settings: LauncherSettings,
        ways: Ways,
        order: LaunchOrder | None,
        after: "LaunchLife | None" = None,
    ) -> None:
        self.launch = launch
        self.begun = asyncio.Event()  # its process has been started, or could not be
        self.done = asyncio.Event()  # nothing of it runs
        self._settings = settings
        self._ways = ways
        self._order = order
        self._after = after
        self._stopping = asyncio.Event()
        self._why: LaunchEnd | None = None

    def stop(self, why: LaunchEnd) -> None:
        """Have it end; the first reason counts."""
        if self._why is None:
            self._why = why
            self._stopping.set()

    async def wait_begun(self) -> bool:
        """Whether its process has been started; True at once where it waits for another's end, as that may last."""
        if self._after is None or self._after.done.is_set():
            await self.begun.wait()
        return self.launch.end is not LaunchEnd.NOT_STARTED

    async def run(self, warm: WarmWorker | None) -> None:
        """From the start of its process to the end of all that it has started."""
        if self._after is not None:
            await self._after.done.wait()
        why, says = self._why, ""
        while self._order and not why:
            looks = self._looks()
            await looks.before()
            ahead, warm = warm, None
            try:
                worker = await self._start(self._order, ahead)
            except NotStarted as error:
                why, says = LaunchEnd.NOT_STARTED, str(error)
                break
            ended = await self._watched(worker, looks)
            why = None if await self._may_again(ended) else ended
        if warm is not None:  # which was kept for it while it waited
            warm.dismiss()
            await self._end(warm.worker, 0)
        self._over(why or LaunchEnd.LOST, says)

    async def go_on(self, worker: LaunchedWorker) -> None:
        """Live on with a process that an earlier launcher has started."""
        self.begun.set()
        self._over(await self._watched(worker, self._looks()), "")

    def lost(self) -> None:
        """Note that it has ended, and nobody knows how."""
        self._over(LaunchEnd.LOST, "")

    def _looks(self) -> LaunchLooks:
        return LaunchLooks(self.launch, self._settings.join_within, self._ways)

    async def _start(self, order: LaunchOrder, warm: WarmWorker | None) -> LaunchedWorker:
        """A process that has the order, one that was started ahead if that one reads it; its record is written."""
        launch = self.launch
        launch.tries += 1
        launch.started_boot = boot_ms()
        if warm is not None and warm.hand_over(order):
            launch.start, worker = Start.WARM, warm.worker
        else:
            if warm is not None:
                await self._end(warm.worker, 0)
            folder = self._ways.records.folder(launch.id)
            launch.start, worker = Start.COLD, await self._ways.home.start(self._settings, folder, order)
        launch.pid, launch.pid_started, launch.state = worker.pid, worker.pid_started, LaunchState.STARTING
        self._ways.save(self.launch)
        self._ways.recorder.started(launch)
        self.begun.set()
        return worker

    async def _watched(self, worker: LaunchedWorker, room: LaunchLooks) -> LaunchEnd:
        """Why it ended; then nothing of it runs."""
        looks = asyncio.create_task(room.until_judged())
        exited = asyncio.create_task(worker.exited.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        left = (self.launch.accepted_boot + self._settings.max_life - boot_ms()) / 1000
        try:
            await asyncio.wait({looks, exited, stopping}, timeout=max(0, left), return_when=asyncio.FIRST_COMPLETED)
            why = self._why if self._stopping.is_set() else None
            by_look = looks.result() if looks.done() and not looks.cancelled() else None
            by_itself = worker.exited.is_set()
        finally:
            for task in (looks, exited, stopping):
                task.cancel()
            await asyncio.gather(looks, exited, stopping, return_exceptions=True)
        self.launch.state = LaunchState.ENDING
        self._ways.save(self.launch)
        await self._end(worker, self._settings.stop_within / 1000)
        self.launch.exit_code, self.launch.exit_signal = worker.exit.code, worker.exit.signal
        return why or by_look or (_by_itself(worker) if by_itself else LaunchEnd.MAX_LIFE)

    async def _may_again(self, why: LaunchEnd) -> bool:
        """Whether another process is started: this one never joined, the token still holds, and the room lives."""
        launch = self.launch
        if why not in _FAILED or launch.joined_boot or launch.tries >= TRIES or self._stopping.is_set():
            return False
        if self._ways.clock() >= launch.expires_at:
            return False
        try:
            seen = await self._ways.rooms.look(launch.project, launch.room)
        except LiveKitError:
            return False
        lives = bool(seen.sid) and launch.room_sid in {"", seen.sid}
        if lives:
            self._ways.recorder.failed(launch, why)
        return lives and not self._stopping.is_set()

    async def _end(self, worker: LaunchedWorker, within: float) -> None:
        """End it with all that it has started, however long the kernel holds it: so long its place is taken."""
        while True:
            try:
                await worker.end(within)
            except Unkillable:
                self._ways.recorder.unkillable(self.launch)
            else:
                return

    def _over(self, why: LaunchEnd, says: str) -> None:
        launch = self.launch
        launch.state, launch.end, launch.ended_at = LaunchState.ENDED, why, self._ways.clock()
        self._ways.logs.end(launch.id)
        self._ways.save(self.launch)
        self._ways.records.tidy(launch.id)
        self._ways.recorder.ended(launch, says)
        self.begun.set()
        self.done.set()


def _by_itself(worker: LaunchedWorker) -> LaunchEnd:
    """Why a process has ended that nobody had asked to."""
    if worker.exit == Exit():
        return LaunchEnd.LOST
    return LaunchEnd.EXITED if worker.exit.code == 0 else LaunchEnd.CRASHED
