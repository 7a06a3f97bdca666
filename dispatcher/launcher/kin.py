"""Which processes belong to a launch: evidence, read from the kernel at the moment it is needed.

A number proves nothing: Linux gives it to another process once its owner is gone. A process belongs to a launch if its
environment bears the launch's mark, a random name that we gave to its first process and that all it starts inherit; or
if it is in the session of that first process while that one is certainly ours: alive, or dead and not yet reaped by us.
"""

import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from dispatcher.core.facts import Ms

MARK: Final = "DISPATCHER_LAUNCH"  # the variable whose value is the launch's id
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37
_PROC: Final = Path("/proc")


class Member(Struct, frozen=True):
    """A process that belongs to a launch."""

    pid: int
    rss: int  # bytes
    zombie: bool


def census(leaders: Mapping[int, str]) -> dict[str, list[Member]]:
    """All processes with a mark, and all in the sessions of the `leaders` (pid → mark), by mark. It reads all of /proc.

    Processes of other users are passed over: their environment cannot be read, and none of them is ours.
    """
    found: dict[str, list[Member]] = {}
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):  # it has ended meanwhile
            mark = mark_of(pid) or leaders.get(os.getsid(pid), "")
            if mark:
                process = psutil.Process(pid)
                zombie = process.status() == psutil.STATUS_ZOMBIE
                found.setdefault(mark, []).append(Member(pid, process.memory_info().rss, zombie))
    return found


def mark_of(pid: int) -> str:
    """The mark in the environment that the process was started with; "": it has none, or may not be read."""
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return ""
    start = f"{MARK}=".encode()
    marks = [one.removeprefix(start) for one in environment.split(b"\0") if one.startswith(start)]
    return marks[0].decode(errors="replace") if marks else ""


def started_at(pid: int) -> int:
    """When the process was started, in clock ticks since the machine's start. Raises OSError: there is none."""
    stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    return int(stat.rpartition(")")[2].split()[19])  # field 22; the name before may hold anything


def belongs(pid: int, mark: str, leader: int | None) -> bool:
    """Whether the process bears the mark, or is in the session of the leader. Raises ProcessLookupError: it is gone."""
    return mark_of(pid) == mark or (leader is not None and os.getsid(pid) == leader)


def send(pid: int, mark: str, leader: int | None, number: signal.Signals) -> None:
    """Send the signal to the process of this number if it belongs to the launch, and never to another one."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:  # from here on it means one process: if what is read now is another's, this one is gone
            if belongs(pid, mark, leader):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def boot_id() -> str:
    """A name of the machine's present run: a number and a start from another run mean nothing now."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def boot_ms() -> Ms:
    """Milliseconds since the machine's start, those of its sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def adopt_orphans() -> None:
    """From now on processes whose parents have died are children of this one, so that it can reap them.

    Raises OSError where the system has no such thing.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def reap(pid: int) -> None:
    """Take a dead child's number back from it."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def adopts_orphans() -> bool:
    """Whether processes whose parents have died become children of this one."""
    answer = ctypes.c_int()
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


def orphans(leaders: Collection[int]) -> Iterator[int]:
    """Dead children of this process that are none of the `leaders`: whoever started them has died before them."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if child.pid not in leaders and child.status() == psutil.STATUS_ZOMBIE:
                yield child.pid
