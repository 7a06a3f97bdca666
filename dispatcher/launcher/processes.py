"""Processes of this machine: each in a session of its own, ended with all that it has started, and reaped.

A child that has ended stays a zombie until its whole session has ended: so long Linux gives its number to nobody else.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from dispatcher.config import LauncherSettings
from dispatcher.core.errors import DispatcherError
from dispatcher.launcher import kin
from dispatcher.launcher.interface import Exit, LaunchOrder, NotStarted
from dispatcher.launcher.kin import Member
from dispatcher.launcher.launch import Launch
from dispatcher.launcher.output import WorkerOutput

LOOK_S: Final = 0.05  # between two looks at what is left of a session that ends
KILL_S: Final = 10.0  # a killed process is gone by then, unless the kernel holds it
REAP_S: Final = 1.0
OOM_SCORE: Final = "500"  # when the machine has no memory left, the kernel ends a worker before it ends the launcher
ORDER_MAX: Final = 60 << 10  # bytes of an order's line: less than a pipe holds

Hear: TypeAlias = Callable[[str, list[bytes]], None]  # a launch's id, and lines that it wrote


class Unkillable(DispatcherError):
    """Processes do not end although they were killed: the kernel holds them."""


class Process:
    """A process with all that it has started. `child` None: it is an earlier launcher's, which this one has adopted."""

    def __init__(self, pid: int, launch_id: str, output: WorkerOutput, child: "subprocess.Popen[bytes] | None") -> None:
        self.pid = pid
        self.pid_started = kin.started_at(pid)
        self.exited = asyncio.Event()
        self.exit = Exit()
        self.mark = launch_id
        self._output = output
        self._child = child
        self._loop = asyncio.get_running_loop()
        self._descriptor = os.pidfd_open(pid)
        self._loop.add_reader(self._descriptor, self._has_exited)

    @property
    def leader(self) -> int | None:
        """Its number while that is certainly its own: it lives, or is dead and not reaped."""
        return self.pid if self._child is not None or not self.exited.is_set() else None

    async def end(self, within: float) -> None:
        """Ask all to end; kill what is left `within` seconds later. Raises Unkillable."""
        if not await self._gone(signal.SIGTERM, within) and not await self._gone(signal.SIGKILL, KILL_S):
            raise Unkillable(f"process {self.pid} does not end")
        if not self.exited.is_set():  # the census may have known before the loop
            self._has_exited()
        os.close(self._descriptor)
        self._output.close()
        if self._child is not None:
            self._child.wait()
            self._child = None

    async def _gone(self, number: signal.Signals, within: float) -> bool:
        """Send the signal to all, to those that are started meanwhile, too; whether nothing is left in time."""
        end, signalled = self._loop.time() + within, set[int]()
        while left := await self._left():
            if self._loop.time() >= end:
                return False
            for one in left:
                if one.pid not in signalled:
                    kin.send(one.pid, self.mark, self.leader, number)
            signalled |= {one.pid for one in left}
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await (asyncio.sleep(LOOK_S) if self.exited.is_set() else self.exited.wait())
        return True

    async def _left(self) -> list[Member]:
        leaders = {self.leader: self.mark} if self.leader else {}
        found = await asyncio.to_thread(kin.census, leaders)
        return [one for one in found.get(self.mark, []) if not one.zombie]

    def _has_exited(self) -> None:
        """The kernel says that it has ended; of a child it says how."""
        self._loop.remove_reader(self._descriptor)
        if self._child is not None:
            self.exit = _how(self.pid)
        self.exited.set()


class WarmProcess:
    """A process that was started ahead. Its standard input is open until it gets its order, or ends."""

    def __init__(self, worker: Process, standard_input: int) -> None:
        self.worker = worker
        self._standard_input = standard_input

    def hand_over(self, order: LaunchOrder) -> bool:
        """Give it its order; False: it does not read any more."""
        if self.worker.exited.is_set():
            self.dismiss()
            return False
        return _give(self._standard_input, order)

    def dismiss(self) -> None:
        """It gets no order: its standard input ends, which tells it so."""
        os.close(self._standard_input)


class Processes:
    """Starts and finds processes, which get of `environ` what their launcher passes. `hear` gets what they write."""

    def __init__(self, environ: Mapping[str, str], hear: Hear) -> None:
        self._environ = environ
        self._hear = hear
        self._running: dict[int, Process] = {}  # all that have not been reaped
        self._starting = 0  # of which the number is not known yet

    async def start(self, settings: LauncherSettings, folder: Path, order: LaunchOrder) -> Process:
        """Start one for the order, which it gets in its environment, and as a line on its standard input."""
        where = {"LIVEKIT_URL": order.url, "LIVEKIT_WS_URL": order.url}
        told = {**where, "LIVEKIT_TOKEN": order.token, "LIVEKIT_ROOM": order.room}
        process, standard_input = await self._spawn(settings, folder, order.id, told)
        _give(standard_input, order)  # whoever has its environment need not read it
        return process

    async def warm(self, settings: LauncherSettings, folder: Path, launch_id: str) -> WarmProcess:
        """Start one that gets its order later, on its standard input alone."""
        return WarmProcess(*await self._spawn(settings, folder, launch_id, {}))

    async def find(self, launch: Launch, folder: Path) -> Process | None:
        """The process of a launch that an earlier launcher has started, by its number, its start and its mark."""
        if not launch.pid or launch.boot_id != kin.boot_id() or kin.mark_of(launch.pid) != launch.id:
            return None
        output = WorkerOutput(folder, lambda lines: self._hear(launch.id, lines))
        try:
            if kin.started_at(launch.pid) != launch.pid_started:
                return None
            process = Process(launch.pid, launch.id, output, child=None)
            output.read()
        except (ProcessLookupError, FileNotFoundError):  # it has ended just now
            return None
        self._running[process.pid] = process
        return process

    async def clear(self, launch_id: str) -> None:
        """End whatever bears the launch's mark. Raises Unkillable."""
        end = asyncio.get_running_loop().time() + KILL_S
        while left := [one for one in (await self._census()).get(launch_id, []) if not one.zombie]:
            if asyncio.get_running_loop().time() >= end:
                raise Unkillable(f"process {left[0].pid} does not end")
            for one in left:
                kin.send(one.pid, launch_id, None, signal.SIGKILL)
            await asyncio.sleep(LOOK_S)

    async def memory(self) -> Mapping[str, int]:
        """How many bytes of memory each launch takes, with all that its process has started, by id."""
        return {mark: sum(one.rss for one in members) for mark, members in (await self._census()).items()}

    async def keep_reaping(self) -> None:
        """Reap dead processes whose parents have died before them; until it is cancelled."""
        while True:
            self._running = {pid: one for pid, one in self._running.items() if one.leader}
            for pid in await asyncio.to_thread(list, kin.orphans(tuple(self._running))):
                if pid not in self._running and not self._starting:  # else it may be one that has just been started
                    kin.reap(pid)
            await asyncio.sleep(REAP_S)

    async def _census(self) -> Mapping[str, list[Member]]:
        leaders = {pid: one.mark for pid, one in self._running.items() if one.leader}
        return await asyncio.to_thread(kin.census, leaders)

    async def _spawn(
        self, settings: LauncherSettings, folder: Path, launch_id: str, told: Mapping[str, str]
    ) -> tuple[Process, int]:
        """A running process, and the end of the pipe that leads to its standard input. Raises NotStarted."""
        output, at_fault = WorkerOutput(folder, lambda lines: self._hear(launch_id, lines)), str(folder)
        with ExitStack() as passed, ExitStack() as kept:
            kept.callback(output.close)
            try:
                passed.callback(os.close, writes := output.open())
                reads, gives = os.pipe2(os.O_CLOEXEC)
                passed.callback(os.close, reads)
                kept.callback(os.close, gives)
                os.set_blocking(gives, False)
                at_fault = settings.command[0]
                process = await self._started(settings, {**told, kin.MARK: launch_id}, (reads, writes), output)
            except (OSError, ValueError) as error:  # ValueError: a zero in a variable
                raise NotStarted(f"{at_fault}: {getattr(error, 'strerror', 'a wrong value')}") from None
            kept.pop_all()
        return process, gives

    async def _started(
        self, settings: LauncherSettings, told: Mapping[str, str], pipes: tuple[int, int], output: WorkerOutput
    ) -> Process:
        self._starting += 1
        try:
            child = await asyncio.to_thread(self._popen, settings, told, *pipes)
            try:
                process = self._running[child.pid] = Process(child.pid, told[kin.MARK], output, child)
            except OSError:  # no descriptor is left, by which it could be watched
                child.kill()
                child.wait()
                raise
        finally:
            self._starting -= 1
        return process

    def _popen(
        self, settings: LauncherSettings, told: Mapping[str, str], reads: int, writes: int
    ) -> "subprocess.Popen[bytes]":
        passed = {name: self._environ[name] for name in settings.passed if name in self._environ}
        own = {name: value.get_secret_value() for name, value in settings.env.items()}
        child = subprocess.Popen(  # noqa: S603 the operator's own command; no shell reads it
            settings.command,
            cwd=settings.cwd,
            env={"PYTHONUNBUFFERED": "1", **passed, **own, **told},
            stdin=reads,
            stdout=writes,
            stderr=writes,
            start_new_session=True,
        )
        with suppress(OSError):
            Path(f"/proc/{child.pid}/oom_score_adj").write_text(OOM_SCORE)
        return child


def _give(standard_input: int, order: LaunchOrder) -> bool:
    """Write the order's line and close; False: nobody reads it. It has ORDER_MAX bytes at most, and never waits."""
    line = msgspec.json.encode(order) + b"\n"
    try:
        return os.write(standard_input, line) == len(line)
    except BrokenPipeError:
        return False
    finally:
        os.close(standard_input)


def _how(pid: int) -> Exit:
    """What the kernel says of a dead child, which stays a zombie."""
    try:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:  # the kernel itself has reaped it: whoever started the launcher had SIGCHLD ignored
        ended = None
    if ended is None:
        return Exit()
    if ended.si_code == os.CLD_EXITED:
        return Exit(code=ended.si_status)
    known = ended.si_status in set(signal.Signals)
    return Exit(signal=signal.Signals(ended.si_status).name if known else str(ended.si_status))
