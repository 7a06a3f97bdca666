"""Logs and counts what happens to sessions: each new entry of a timeline becomes one log line and its metrics.

So the timeline, the log and the counters cannot disagree.
"""

from collections.abc import Iterable
from typing import Final

from dispatcher.core.facts import Ms, is_probe
from dispatcher.core.timeline import AGENT_LEFT, ALARMS, DEFECTS, Entry, Part, Said, Verdict
from dispatcher.expressions import Failed, Unread, UnreadMetadata
from dispatcher.ledger.interface import Key
from dispatcher.telemetry.calls import CallRecorder
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.logs import Log
from dispatcher.telemetry.metrics import Metrics, begin, departure_label
from dispatcher.telemetry.tracing import Tracing

TOLD_MAX: Final = 4_096  # what was told once for a session; what was told before that is told anew

_FIELDS: Final = ("assignment", "number", "agent", "verdict", "part", "reason", "done", "by")


class SessionRecorder:
    """Writes what happens to sessions to the log and the metrics."""

    def __init__(self, log: Log, metrics: Metrics, health: Health, tracing: Tracing | None = None) -> None:
        self.log = log
        self.metrics = metrics
        self.health = health
        self.tracing = tracing
        self.calls = CallRecorder(log, metrics, health, tracing=tracing)
        begin(metrics.metadata_unread_total, ("room", "participant"), Unread)
        self._told: dict[tuple[str, ...], None] = {}  # of which project, room's SID, and what

    def tell(self, key: Key, entries: Iterable[Entry]) -> None:
        """Log and count the entries, which are saved now; those of probes are counted as no caller's."""
        trace = self.tracing.fields() if self.tracing else {}
        log = self.log.bind(project=key.project, room=key.room, sid=key.sid, **trace)
        for entry in entries:
            self._write(log, entry)
            if not is_probe(key.room):
                self._count(entry)

    def lost(self, key: Key) -> None:
        """Log that another process took the session over: our lease had run out."""
        self.log.warning("lease.lost", project=key.project, room=key.room, sid=key.sid)

    def another_process(self, key: Key) -> None:
        """Log that a dispatch of our instance is here which nobody with our ledger has made."""
        self.health.another_process()
        self.log.error("instance.shared", project=key.project, room=key.room, sid=key.sid)

    def left_alone(self, key: Key, lapses: int, alone: Ms) -> None:
        """So many leases in a row have run out: nobody drives the session for a while."""
        self.metrics.sessions_left_alone_total.inc()
        fields = {"lapses": lapses, "seconds": alone // 1000}
        self.log.error("session.left_alone", project=key.project, room=key.room, sid=key.sid, **fields)

    def deferred(self, key: Key) -> None:
        """Log that a later release wrote the record: one of its replicas is to go on with the session."""
        self.log.warning("session.deferred", project=key.project, room=key.room, sid=key.sid)

    def judged(self, project: str, trouble: Failed | UnreadMetadata) -> None:
        """Count and log what went wrong when an expression was judged."""
        match trouble:
            case Failed():
                self._rule_failed(project, trouble)
            case UnreadMetadata():
                self._metadata_unread(project, trouble)

    def _rule_failed(self, project: str, failed: Failed) -> None:
        """Count each failure; log it once for each session and field of a rule: every look judges anew."""
        rule, field = self.metrics.rule_label(failed.rule), failed.field.partition(".")[0]
        self.metrics.rule_errors_total.labels(rule=rule, field=field, reason=failed.reason).inc()
        if self._first_time(project, failed.sid, failed.rule, failed.field):
            log = self.log.bind(project=project, room=failed.room, sid=failed.sid)
            log.warning(
                "rule.failed", rule=failed.rule, field=failed.field, why=failed.reason, identity=failed.identity
            )

    def _metadata_unread(self, project: str, unread: UnreadMetadata) -> None:
        """Count and log it once for each room: every look sees it again."""
        if not self._first_time(project, unread.sid, unread.whose):
            return
        self.metrics.metadata_unread_total.labels(whose=unread.whose, reason=unread.why).inc()
        fields = {"whose": unread.whose, "why": unread.why}
        self.log.warning("metadata.unread", project=project, room=unread.room, sid=unread.sid, **fields)

    def _first_time(self, *what: str) -> bool:
        """Whether it was not told before, as far as is remembered; now it is."""
        if what in self._told:
            return False
        if len(self._told) >= TOLD_MAX:
            del self._told[next(iter(self._told))]
        self._told[what] = None
        return True

    def _write(self, log: Log, entry: Entry) -> None:
        said = {name: value for name in _FIELDS if (value := getattr(entry, name))}
        if entry.took is not None:
            said["duration_ms"] = entry.took
        if entry.since_invite is not None:
            said["since_invite_ms"] = entry.since_invite
        if entry.patience is not None:
            said |= entry.patience.fields
        write = log.error if entry.said in DEFECTS else log.warning if entry.said in ALARMS else log.info
        write(entry.said, **said)

    def _count(self, entry: Entry) -> None:
        metrics, agent = self.metrics, self.metrics.agent_label(entry.agent)
        match entry.said:
            case Said.AGENT_JOINED:
                self._count_join(entry, agent)
            case Said.ATTEMPT_ENDED:
                self._count_end(entry, agent)
            case Said.ATTEMPT_RETRACTED if entry.part is Part.AGENT and not entry.reason:
                metrics.surplus_agents_total.labels(action="removed").inc()
            case Said.AGENT_SENT_AWAY if not entry.reason:
                metrics.surplus_agents_total.labels(action="sent_away").inc()
            case Said.TARGET_BYPASSED:
                metrics.targets_bypassed_total.labels(agent=agent).inc()
            case Said.DEPLOYMENT_IGNORED:
                metrics.deployments_ignored_total.labels(agent=agent).inc()
            case Said.ASSIGNMENT_STARVED:
                metrics.assignments_starved_total.inc()
            case Said.AGENT_UNREQUESTED:
                metrics.surplus_agents_total.labels(action="reported").inc()
            case _:
                self._count_defect(entry)

    def _count_join(self, entry: Entry, agent: str) -> None:
        metrics, exemplar = self.metrics, (self.tracing.fields() if self.tracing else None) or None
        metrics.agents_joined_total.labels(agent=agent).inc()
        if entry.took is not None:
            metrics.time_to_agent_seconds.labels(agent=agent).observe(entry.took / 1000, exemplar)
        if entry.since_invite is not None:
            metrics.invite_to_agent_seconds.labels(agent=agent).observe(entry.since_invite / 1000, exemplar)

    def _count_defect(self, entry: Entry) -> None:
        metrics = self.metrics
        match entry.said:
            case Said.RULE_REMOVED:
                rule = metrics.rule_label(entry.assignment.partition("/")[0])
                metrics.rule_errors_total.labels(rule=rule, field="metadata", reason="rule_removed").inc()
            case Said.ROUNDS_EXCEEDED:
                metrics.reconciler_rounds_exceeded_total.inc()
            case Said.PASSES_EXCEEDED:
                metrics.reconciler_passes_exceeded_total.inc()
            case _:
                pass

    def _count_end(self, entry: Entry, agent: str) -> None:
        """Count each dispatch once, by its first end: one that was given up and came after all has already counted."""
        if not entry.again:
            self.metrics.dispatches_total.labels(agent=agent, result=entry.verdict).inc()
        if entry.verdict in AGENT_LEFT:
            reason = departure_label(entry.reason.upper())
            self.metrics.agents_left_total.labels(agent=agent, reason=reason).inc()
        elif entry.verdict is Verdict.SURPLUS:
            self.metrics.surplus_agents_total.labels(action="found").inc()
