"""This machine's processes: started, given their order, ended, and found again."""

import asyncio
import os
import resource
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from dispatcher.config import LauncherSettings, Secret
from dispatcher.launcher import kin, processes
from dispatcher.launcher.interface import Exit, LaunchOrder, NotStarted
from dispatcher.launcher.launch import Launch
from dispatcher.launcher.processes import Processes, Unkillable

if TYPE_CHECKING:
    import subprocess

OURS = f"ours-{os.getpid()}"  # others may run these tests beside us
WAITS = "import time; time.sleep(60)"
READS = "import sys; print(sys.stdin.readline()); "


class Here:
    """Processes, and what they write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard: list[bytes] = []
        self.processes = Processes({"PASSED": "on"}, lambda _id, lines: self.heard.extend(lines))

    async def start(self, code: str = WAITS, **settings: object) -> processes.Process:
        """It runs this code."""
        return await self.processes.start(python(code, **settings), self.folder, order())


def python(code: str, **settings: object) -> LauncherSettings:
    """A launcher whose processes run this code."""
    return LauncherSettings(name="avatar", command=(sys.executable, "-S", "-c", code), limit=1, **settings)  # type: ignore[arg-type]


def order() -> LaunchOrder:
    """For the launch `OURS`."""
    return LaunchOrder(id=OURS, url="ws://here", token="t", room="lobby", identity="avatar")


@pytest.mark.parametrize(
    ("code", "number", "how"),
    [
        ("", None, Exit(code=0)),
        ("raise SystemExit(7)", None, Exit(code=7)),
        (WAITS, signal.SIGKILL, Exit(signal="SIGKILL")),
        (WAITS, signal.SIGRTMIN + 1, Exit(signal=str(signal.SIGRTMIN + 1))),  # which has no name
    ],
)
async def test_how_a_process_ended_is_known(tmp_path: Path, code: str, number: int | None, how: Exit) -> None:
    """Its number is its own until `end`."""
    one = await Here(tmp_path).start(code)
    if number is not None:
        os.kill(one.pid, number)
    await asyncio.wait_for(one.exited.wait(), 20)
    assert (one.exit, one.leader) == (how, one.pid)
    await one.end(0)
    assert one.leader is None


def killed_and_reaped(pid: int) -> None:
    """Before the loop sees that it has ended."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


async def test_one_that_somebody_else_has_reaped_has_ended_nobody_knows_how(tmp_path: Path) -> None:
    """It is no error."""
    one = await Here(tmp_path).start()
    killed_and_reaped(one.pid)
    await asyncio.wait_for(one.exited.wait(), 20)
    assert one.exit == Exit()
    await one.end(0)


async def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    """A folder, a command or a value that the system refuses; nothing of it is left."""
    here = Here(tmp_path)
    with pytest.raises(NotStarted, match="nowhere: No such file or directory"):
        await here.processes.start(python(WAITS), tmp_path / "nowhere", order())
    with pytest.raises(NotStarted, match="a wrong value"):
        await here.start(env={"MODEL": Secret("a\0b")})
    with pytest.raises(NotStarted, match="No such file"):
        await here.start(cwd=tmp_path / "nowhere")
    assert OURS not in await here.processes.memory()


def descriptors() -> set[int]:
    """Those that are open."""
    return {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208


def limit_with_free(number: int, most: int) -> int:
    """The limit under which so many descriptors are free."""
    taken, limit = descriptors(), 0
    while number and limit < most:
        number -= limit not in taken
        limit += 1
    return limit


async def test_without_descriptors_nothing_is_started_and_none_is_lost(tmp_path: Path) -> None:
    """At whichever step there is none left."""
    here = Here(tmp_path)
    await (await here.start("")).end(0)  # what the first one makes for all is there
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before, refused, running = descriptors(), list[str](), list[processes.Process]()
    for free in range(12):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit_with_free(free, soft), hard))
        try:
            running = [await here.start()]
        except NotStarted as error:
            refused.append(str(error))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in running:
            await one.end(0)
        running = []
        assert descriptors() == before
        assert OURS not in await here.processes.memory()
    assert 3 < len(refused) < 12
    assert all("Too many open files" in one for one in refused)


async def test_who_has_just_been_started_is_not_reaped_as_an_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it ends before its number is known to the reaper: how it ended would be lost."""
    here, looks, orphans = Here(tmp_path), threading.Semaphore(0), kin.orphans
    popen = here.processes._popen  # noqa: SLF001 where it takes long

    def told(leaders: Collection[int]) -> Iterator[int]:
        yield from orphans(leaders)
        looks.release()

    def slow(settings: LauncherSettings, told: Mapping[str, str], *pipes: int) -> "subprocess.Popen[bytes]":
        child = popen(settings, told, *pipes)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        for _ in range(3):
            assert looks.acquire(timeout=20)
        return child

    monkeypatch.setattr(processes, "REAP_S", 0.01)
    monkeypatch.setattr(kin, "orphans", told)
    monkeypatch.setattr(here.processes, "_popen", slow)
    reaping = asyncio.create_task(here.processes.keep_reaping())
    one = await here.start("raise SystemExit(7)")
    await asyncio.wait_for(one.exited.wait(), 20)
    assert one.exit == Exit(code=7)
    await one.end(0)
    reaping.cancel()
    with suppress(asyncio.CancelledError):
        await reaping


async def test_an_order_that_no_pipe_holds_keeps_nobody_waiting(tmp_path: Path) -> None:
    """It is not given, and the process is of no use."""
    one = await Here(tmp_path).processes.warm(python(WAITS), tmp_path, OURS)
    assert not one.hand_over(replace(order(), fields={"long": "x" * (1 << 20)}))
    await one.worker.end(0)


async def test_one_ahead_gets_its_order_once_it_is_needed(tmp_path: Path) -> None:
    """Or is told that it is not; one that reads no more, or has ended, does not get it."""
    here = Here(tmp_path)
    first = await here.processes.warm(python(READS), tmp_path, OURS)
    assert first.hand_over(order())
    await asyncio.wait_for(first.worker.exited.wait(), 20)
    await first.worker.end(0)
    assert b'"room_name":"lobby"' in here.heard[0]

    second = await here.processes.warm(python(READS), tmp_path, OURS)
    second.dismiss()
    await asyncio.wait_for(second.worker.exited.wait(), 20)
    await second.worker.end(0)

    third = await here.processes.warm(python(""), tmp_path, OURS)
    await asyncio.wait_for(third.worker.exited.wait(), 20)
    assert not third.hand_over(order())
    await third.worker.end(0)

    fourth = await here.processes.warm(
        python(f"import os; os.close(0); print('closed', flush=True); {WAITS}"), tmp_path, OURS
    )
    async with asyncio.timeout(20):
        while b"closed" not in here.heard:
            await asyncio.sleep(0.01)
    assert not fourth.hand_over(order())
    await fourth.worker.end(0)


async def test_what_the_kernel_holds_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And can be ended later."""
    here = Here(tmp_path)
    one = await here.start()
    with monkeypatch.context() as held:
        held.setattr(kin, "send", lambda *_: None)
        held.setattr(processes, "KILL_S", 0.1)
        with pytest.raises(Unkillable):
            await one.end(0)
        with pytest.raises(Unkillable):
            await here.processes.clear(OURS)
    await here.processes.clear(OURS)
    await one.end(0)


async def test_a_process_is_found_again_by_all_of_its_evidence(tmp_path: Path) -> None:
    """Not by its number alone."""
    here = Here(tmp_path)
    one = await here.start()
    right = {"pid": one.pid, "pid_started": one.pid_started, "boot_id": kin.boot_id()}
    wrong: list[dict[str, object]] = [{"pid": 0}, {"pid_started": 1}, {"boot_id": "x"}, {"id": "other"}]
    for change in wrong:
        launch = Launch(**({"id": OURS, "launcher": "avatar"} | right | change))  # type: ignore[arg-type]
        assert await here.processes.find(launch, tmp_path) is None
    await one.end(0)
