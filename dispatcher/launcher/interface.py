"""Where processes live: one interface, whose first home is `processes`, this machine's own.

Another home, such as a Job of Kubernetes for each launch, would stand behind the same two classes (docs/adr/0052).
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct, field

from dispatcher.config import LauncherSettings
from dispatcher.core.errors import DispatcherError
from dispatcher.launcher.launch import Launch


class NotStarted(DispatcherError):
    """The command could not be run. The text says why, as the system does."""


class Exit(Struct, frozen=True):
    """How a process ended. `code` None: nobody saw it, or a signal did it."""

    code: int | None = None
    signal: str = ""  # its name


class LaunchOrder(Struct, frozen=True, kw_only=True):
    """What a process is told: where to join, and what else came with the request. As JSON it is one line."""

    id: str
    url: str
    token: str
    room: str = field(name="room_name")
    identity: str
    fields: Mapping[str, object] = {}
    files: Mapping[str, str] = {}  # paths, by the names of the fields they came in


class LaunchedWorker(Protocol):
    """A process of ours with all that it has started."""

    exited: asyncio.Event  # the process itself has ended; what it has started may go on
    exit: Exit

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    @property
    def pid_started(self) -> int:
        """When it was started, in clock ticks since the machine's start: two processes of one number differ in it."""
        ...

    async def end(self, within: float) -> None:
        """Ask it and all that it has started to end; kill what is left `within` seconds later. Then nothing is left."""
        ...


class WarmWorker(Protocol):
    """A process that was started ahead, and waits for its order."""

    @property
    def worker(self) -> LaunchedWorker:
        """The process."""
        ...

    def hand_over(self, order: LaunchOrder) -> bool:
        """Give it its order; False: it does not read any more. Once, or `dismiss` once."""
        ...

    def dismiss(self) -> None:
        """Tell it that it gets no order."""
        ...


class Home(Protocol):
    """Starts processes, and finds again those that an earlier launcher has started. `folder` is the launch's own."""

    async def start(self, settings: LauncherSettings, folder: Path, order: LaunchOrder) -> LaunchedWorker:
        """Start one for this order. Raises NotStarted."""
        ...

    async def warm(self, settings: LauncherSettings, folder: Path, launch_id: str) -> WarmWorker:
        """Start one ahead, whose order will have this id. Raises NotStarted."""
        ...

    async def find(self, launch: Launch, folder: Path) -> LaunchedWorker | None:
        """The process that an earlier launcher has started for this launch; None: it has ended."""
        ...

    async def clear(self, launch_id: str) -> None:
        """End whatever is left of a launch whose own process has ended."""
        ...

    async def memory(self) -> Mapping[str, int]:
        """How many bytes of memory each launch takes, with all that its process has started, by id."""
        ...
