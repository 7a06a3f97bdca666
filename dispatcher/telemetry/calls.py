"""Counts the calls to LiveKit and to the ledger, and tells how they stand: in trouble, or well again."""

from collections.abc import Callable

from dispatcher.client.launchers import LaunchAsked, LaunchReply
from dispatcher.ledger.interface import LedgerTaken, LedgerUnavailable
from dispatcher.livekit.failures import LiveKitError, Reason
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.outages import Outages
from dispatcher.telemetry.tracing import Tracing

LEDGER = "ledger"  # what is in trouble; a project's LiveKit goes by the project's name


class CallRecorder:
    """Writes how the calls of this process fare to the log and the metrics."""

    def __init__(
        self,
        log: Log,
        metrics: Metrics,
        health: Health,
        outages: Outages | None = None,
        *,
        tracing: Tracing | None = None,
    ) -> None:
        self.log = log
        self.metrics = metrics
        self.health = health
        self.outages = outages or Outages()
        self.tracing = tracing

    def livekit_called(self, method: str, result: str, seconds: float) -> None:
        """Time one request to LiveKit."""
        self.metrics.livekit_request_seconds.labels(method=method, result=result).observe(seconds)
        if method == "CreateDispatch":
            self.metrics.create_seconds.observe(seconds)
        if self.tracing:
            self.tracing.called("LiveKit", method, result, seconds)

    def look_failed(self, project: str, error: LiveKitError) -> None:
        """LiveKit did not answer a look: nothing is decided, and nothing forgotten."""
        if write := self._failed(project, error):
            write("look.failed", project=project, why=error.reason)

    def sweep_failed(self, project: str, error: LiveKitError) -> None:
        """LiveKit did not list the project's rooms: the next sweep asks again."""
        if write := self._failed(project, error):
            write("sweep.postponed", project=project, why=error.reason)

    def livekit_answered(self, project: str) -> None:
        """LiveKit answered a look or a sweep."""
        self.metrics.livekit_consecutive_failures.labels(project).set(0)
        self.health.livekit_answered(project)
        if over := self.outages.answered(f"livekit/{project}"):
            self.log.info("look.recovered", project=project, **over.fields)

    def launcher_answered(self, launcher: str, url: str, reply: LaunchReply) -> None:
        """Count what a launcher has said to a request; one that starts nothing is told as a state."""
        self.metrics.launcher_requests_total.labels(launcher=launcher, result=reply.result).inc()
        about, what = {"launcher": launcher, "url": url}, f"launcher/{launcher}/{url}"
        if reply.result is LaunchAsked.STARTED:
            if over := self.outages.answered(what):
                self.log.info("launcher.recovered", **about, **over.fields)
        elif trouble := self.outages.failed(what, reply.reason):
            self.log.warning("launcher.declined", **about, result=reply.result, why=reply.reason, **trouble.fields)

    def swept(self, project: str) -> None:
        """A sweep of the project has come to its end."""
        self.metrics.last_sweep_success_timestamp_seconds.labels(project).set_to_current_time()
        self.health.swept(project)

    def ledger_called(self, op: str, seconds: float, trouble: LedgerUnavailable | None) -> None:
        """Time one operation of the ledger, and tell if the ledger stopped or began to answer by it."""
        self.metrics.ledger_seconds.labels(op=op).observe(seconds)
        self.health.ledger_asked(op, seconds, trouble)
        if self.tracing:
            self.tracing.called(LEDGER, op, "unavailable" if trouble else "ok", seconds)
        if trouble is not None:
            self.metrics.ledger_consecutive_failures.inc()
            self._ledger_failed(trouble)
            return
        self.metrics.ledger_consecutive_failures.set(0)
        if over := self.outages.answered(LEDGER):
            self.log.info("ledger.recovered", **over.fields)

    def _failed(self, project: str, error: LiveKitError) -> Callable[..., None] | None:
        """Count it. What writes the line, if there is to be one; a refused key is an error until somebody mends it."""
        self.metrics.livekit_consecutive_failures.labels(project).inc()
        self.health.livekit_failed(project, error.reason)
        trouble = self.outages.failed(f"livekit/{project}", error.reason)
        if trouble is None:
            return None
        log = self.log.bind(**trouble.fields, **({"leads_to": error.leads_to} if error.leads_to else {}))
        return log.error if error.reason is Reason.UNAUTHORIZED else log.warning

    def _ledger_failed(self, error: LedgerUnavailable) -> None:
        trouble = self.outages.failed(LEDGER, str(error))
        if trouble is None:
            return
        log = self.log.bind(**trouble.fields)
        if isinstance(error, LedgerTaken):
            log.error("ledger.taken", why=str(error), hint=error.hint)
        else:
            log.error("ledger.failed", why=str(error))
