"""Writes what happens to launches to the log and to the metrics."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from dispatcher.launcher.launch import Launch, LaunchEnd, Start
from dispatcher.telemetry.launch_metrics import LaunchMetrics
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import begin


class LaunchResult(StrEnum):
    """What a request for a launch came to. Bounded: a metric's label."""

    LAUNCHED = "launched"
    REPEATED = "repeated"  # the same token had come before: its process runs
    REPLACED = "replaced"  # another token came for the same room and identity
    SPENT = "spent"  # the token's process has ended
    FULL = "at_capacity"
    STOPPING = "stopping"
    UNAUTHORIZED = "unauthorized"
    BAD_REQUEST = "bad_request"
    FAILED = "failed"  # the command could not be run


_BAD_ENDS = frozenset({LaunchEnd.NOT_STARTED, LaunchEnd.NO_SHOW, LaunchEnd.CRASHED, LaunchEnd.MEMORY})


class LaunchRecorder:
    """Tells of launches. Rooms and identities are masked where the configuration says so; a token is in no line."""

    def __init__(self, log: Log, metrics: LaunchMetrics, launchers: Iterable[str]) -> None:
        self.log = log
        self.metrics = metrics
        names = self._launchers = tuple(launchers)
        begin(metrics.launches_total, names, LaunchResult)
        begin(metrics.launch_ends_total, names, LaunchEnd)
        begin(metrics.launched, names)
        begin(metrics.shared.loop_errors_total, ["launch"])
        for name in names:
            for start in Start:
                metrics.launch_join_seconds.labels(name, start)

    def asked(self, launcher: str, result: LaunchResult) -> None:
        """Count a request."""
        self.metrics.launches_total.labels(launcher, result).inc()

    def refused(self, launcher: str, result: LaunchResult, why: str, sender: str) -> None:
        """A request was refused: nothing was started."""
        self.asked(launcher, result)
        self.log.warning("launch.refused", launcher=launcher, reason=result, why=why, sender=sender)

    def accepted(self, launch: Launch, replaces: str) -> None:
        """A request was accepted."""
        log = self._of(launch)
        log.info("launch.accepted", **({"replaces": replaces} if replaces else {}))

    def started(self, launch: Launch) -> None:
        """Its process runs."""
        log = self._of(launch)
        log.info("launch.started", pid=launch.pid, start=launch.start, number=launch.tries)

    def joined(self, launch: Launch) -> None:
        """It is in its room."""
        took = launch.joined_after or 0
        self.metrics.launch_join_seconds.labels(launch.launcher, launch.start).observe(took / 1000)
        log = self._of(launch)
        log.info("launch.joined", duration_ms=took)

    def failed(self, launch: Launch, why: LaunchEnd) -> None:
        """Its process has not come into the room, and another one is started."""
        log = self._of(launch)
        log.warning("launch.retried", why=why, **_exit(launch))

    def ended(self, launch: Launch, why: str = "") -> None:
        """Nothing of it runs any more. `why`: more than the reason's name says."""
        self.metrics.launch_ends_total.labels(launch.launcher, launch.end or LaunchEnd.LOST).inc()
        log = self._of(launch)
        write = log.warning if launch.end in _BAD_ENDS else log.info
        write("launch.ended", why=launch.end, **_exit(launch), **({"says": why} if why else {}))

    def adopted(self, launch: Launch) -> None:
        """An earlier launcher had started it: this one sees to it now."""
        log = self._of(launch)
        log.info("launch.adopted", pid=launch.pid)

    def unkillable(self, launch: Launch) -> None:
        """Its processes do not end: its place stays taken."""
        log = self._of(launch)
        log.error("launch.unkillable", pid=launch.pid)

    def unsaved(self, launch: Launch, error: OSError) -> None:
        """Its record could not be written."""
        log = self._of(launch)
        log.error("launch.unsaved", why=error.strerror)

    def broke(self, launch: Launch, error: Exception) -> None:
        """A defect of ours ended it."""
        self.metrics.shared.loop_errors_total.labels("launch").inc()
        log = self._of(launch)
        log.error("launch.broken", error=error)

    def unseen(self, launch: Launch, why: str) -> None:
        """LiveKit could not be asked whether it is there: nothing is judged meanwhile."""
        log = self._of(launch)
        log.warning("launch.unseen", why=why)

    def said(self, launch_id: str, text: str) -> None:
        """It wrote a line."""
        self.log.info("launch.output", launch=launch_id, text=text)

    def silenced(self, launch_id: str, lines: int) -> None:
        """It wrote more lines than are shown."""
        self.log.warning("launch.output_omitted", launch=launch_id, lines=lines)

    def warm_failed(self, launcher: str, why: str) -> None:
        """A process that was started ahead has ended before it was needed, or could not be started."""
        self.log.warning("warm.failed", launcher=launcher, why=why)

    def stands(self, launches: Iterable[Launch]) -> None:
        """Show how many launches of each launcher run."""
        running = Counter(one.launcher for one in launches if not one.ended)
        for name in self._launchers:
            self.metrics.launched.labels(name).set(running[name])

    def _of(self, launch: Launch) -> Log:
        return self.log.bind(
            launch=launch.id,
            launcher=launch.launcher,
            project=launch.project,
            room=launch.room,
            identity=launch.identity,
        )


def _exit(launch: Launch) -> dict[str, object]:
    """How its last process ended, where that is known."""
    if launch.exit_signal:
        return {"signal": launch.exit_signal}
    return {} if launch.exit_code is None else {"exit_code": launch.exit_code}
