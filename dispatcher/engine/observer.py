"""Looks, and what follows when a project's LiveKit cannot be asked: a failed look means unknown, never absent.

A project that fails costs the others little: while its last look failed, few of its sessions are looked at at a time.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from dispatcher.core import timing
from dispatcher.core.effects import Observed, Unobserved
from dispatcher.core.facts import Ms, RoomSid
from dispatcher.core.snapshot import Arrivals
from dispatcher.ledger.interface import Key
from dispatcher.livekit.failures import LiveKitError, Reason
from dispatcher.runtime.snapshot import ProjectRuntime
from dispatcher.targets.rate import Pacer
from dispatcher.telemetry.calls import CallRecorder

PROBES: Final = 8  # looks at a time at a project that fails: enough to find out that it no longer does


class Observer:
    """Keeps, of each project, how long it has been failing and how many looks are under way."""

    def __init__(self, pacer: Pacer, calls: CallRecorder) -> None:
        self.pacer = pacer
        self.calls = calls
        self._failures: Counter[str] = Counter()
        self._under_way: Counter[str] = Counter()

    async def look(
        self, key: Key, runtime: ProjectRuntime, arrivals: Arrivals | None, now: Callable[[], Ms]
    ) -> Observed | Unobserved:
        """Look at the session's room. LiveKit may not answer, or is not asked where too many ask in vain already."""
        project = key.project
        if self._failures[project] and self._under_way[project] >= PROBES:
            return Unobserved(now(), self._retry_in(project))
        self._under_way[project] += 1
        began = now()
        try:
            snapshot = await runtime.livekit.look(key.room, RoomSid(key.sid), None if runtime.reads_room else arrivals)
        except LiveKitError as error:
            return Unobserved(now(), await self._failed(project, runtime, error))
        finally:
            self._under_way[project] -= 1
        self._failures.pop(project, None)
        self.calls.livekit_answered(project)
        await self.pacer.answered(project)
        return Observed(now(), began, snapshot)

    async def _failed(self, project: str, runtime: ProjectRuntime, error: LiveKitError) -> Ms:
        """In how many ms to try again."""
        self._failures[project] += 1
        self.calls.look_failed(project, error)
        if error.reason is Reason.LIMITED:
            await self.pacer.refused(project, runtime.api_rate_limit)
        if error.reason is Reason.UNAUTHORIZED:
            return timing.TROUBLE_MS
        return max(self._retry_in(project), int(1000 * (error.retry_after or 0)))

    def _retry_in(self, project: str) -> Ms:
        return timing.RETRY_MS[min(self._failures[project], len(timing.RETRY_MS)) - 1]
