"""Every metric, in one registry that is passed in.

An attribute's name is its metric's name without the prefix. Label values are bounded: enums of ours, or names that
`agent_label`, `rule_label`, `event_label` and `departure_label` have let through. A room or an identity is never one.
docs/metrics.md is this file in prose.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from dispatcher.core.timeline import Verdict
from dispatcher.expressions import FailureReason
from dispatcher.telemetry.exposition import NewMetrics, WithoutCreated

PREFIX: Final = "livekit_dispatcher_"
OTHER: Final = "other"  # the label of a name that nobody announced

EVENTS: Final = frozenset({  # LiveKit's (facts: livekit/protocol webhook/consts.go, 1.53.1)
    "room_started", "room_finished", "participant_joined", "participant_left", "participant_connection_aborted",
    "track_published", "track_unpublished", "egress_started", "egress_updated", "egress_ended", "ingress_started",
    "ingress_ended", "agent_job_pending", "agent_job_started", "agent_job_ended",
})  # fmt: skip
DEPARTURES: Final = frozenset({  # LiveKit's DisconnectReason; a test holds it equal to the protocol's
    "UNKNOWN_REASON", "CLIENT_INITIATED", "DUPLICATE_IDENTITY", "SERVER_SHUTDOWN", "PARTICIPANT_REMOVED",
    "ROOM_DELETED", "STATE_MISMATCH", "JOIN_FAILURE", "MIGRATION", "SIGNAL_CLOSE", "ROOM_CLOSED", "USER_UNAVAILABLE",
    "USER_REJECTED", "SIP_TRUNK_FAILURE", "CONNECTION_TIMEOUT", "MEDIA_FAILURE", "AGENT_ERROR",
})  # fmt: skip

_OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0"

RULE_FIELDS: Final = ("when", "agent", "metadata")  # that an expression may stand in

# Buckets, in seconds.
_ANSWER: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_AGE: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 300.0)  # LiveKit tries at 0, 1, 3, 7, 15 s and drops at 30 s
_SKEW: Final = (-60.0, -30.0, -10.0, -3.0, 3.0, 10.0, 30.0, 60.0, 300.0)  # a retry has its first try's token
_CALL: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)  # our limits: reads 2, acts 5
_JOIN: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
_LAG: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class _AgentMetrics:
    """Those of agents, and of the people who wait for them."""

    def _of_agents(self, new: NewMetrics) -> None:
        self.dispatches_total = new.counter(
            "dispatches_total", "Dispatches, once each, by how they ended.", "agent", "result"
        )
        self.agents_joined_total = new.counter("agents_joined_total", "Agents that joined their room.", "agent")
        self.target_circuit_open = new.gauge(
            "target_circuit_open", "Whether other targets are asked instead.", "project", "agent"
        )
        self.split_side_stopped = new.gauge("split_side_stopped", "Taken out by the guard.", "project", "rule", "agent")
        self.agent_paused = new.gauge("agent_paused", "Whether nobody is given the agent.", "project", "agent")
        self.targets_bypassed_total = new.counter("targets_bypassed_total", "Targets not asked, as so.", "agent")
        self.deployments_ignored_total = new.counter("deployments_ignored_total", "Ignored by a server.", "agent")
        self.create_seconds = new.histogram("create_seconds", "How long CreateDispatch took.", _CALL)
        self.time_to_agent_seconds = new.histogram(
            "time_to_agent_seconds", "From the first person's joining to the agent's.", _JOIN, "agent"
        )
        self.invite_to_agent_seconds = new.histogram(
            "invite_to_agent_seconds", "From the INVITE of the first caller to the agent's joining.", _JOIN, "agent"
        )
        self.assignments_starved_total = new.counter(
            "assignments_starved_total", "Assignments that have used up all their targets."
        )
        self.assignments = new.gauge("assignments", "Assignments of live rooms, by state.", "state")
        self.oldest_wait_seconds = new.gauge("oldest_wait_seconds", "How long who waits longest has waited.")
        self.agents_left_total = new.counter("agents_left_total", "Agents that left a room.", "agent", "reason")
        self.workers = new.gauge("workers", "Workers that answer at the configured addresses.", "agent")
        self.worker_polls_total = new.counter("worker_polls_total", "Questions to workers, by answer.", "result")
        self.launcher_requests_total = new.counter(
            "launcher_requests_total", "Requests to launchers, by answer.", "launcher", "result"
        )
        self.surplus_agents_total = new.counter("surplus_agents_total", "Agents beyond the one wanted.", "action")
        begin(self.surplus_agents_total, ("found", "removed", "reported"))

    def _of_probes(self, new: NewMetrics) -> None:
        self.probes_total = new.counter("probes_total", "Probes, by how they ended.", "project", "agent", "result")
        self.probe_seconds = new.histogram(
            "probe_seconds", "From a probe's asking to its agent.", _JOIN, "project", "agent"
        )
        self.probe_consecutive_failures = new.gauge(
            "probe_consecutive_failures", "Probes in a row that got no agent.", "project", "agent"
        )
        self.probe_last_success_timestamp_seconds = new.gauge(
            "probe_last_success_timestamp_seconds", "When a probe last got its agent.", "project", "agent"
        )


class Metrics(_AgentMetrics):
    """What the dispatcher counts and times. `agents` and `rules` are the names that may become label values.

    `lines_dropped` says how many lines the log has lost.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        version: str = "unknown",
        agents: Iterable[str] = (),
        rules: Iterable[str] = (),
        lines_dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        self._registry = registry or CollectorRegistry()
        self._agents = frozenset(agents)
        self._rules = frozenset(rules)
        new = NewMetrics(self._registry, PREFIX)

        self.webhooks_total = new.counter("webhooks_total", "Requests to /webhook.", "event", "result")
        self.webhook_seconds = new.histogram("webhook_seconds", "From a request's headers to its answer.", _ANSWER)
        self.webhook_age_seconds = new.histogram("webhook_age_seconds", "From an event to its arrival here.", _AGE)
        self.webhook_skew_seconds = new.histogram("webhook_skew_seconds", "Our clock less the token's.", _SKEW)
        self.sweep_repairs_total = new.counter("sweep_repairs_total", "What the sweep had to make up for.", "kind")
        self.livekit_request_seconds = new.histogram(
            "livekit_request_seconds", "Requests to LiveKit.", _CALL, "method", "result"
        )
        self.ledger_seconds = new.histogram("ledger_seconds", "Operations of the ledger.", _ANSWER, "op")
        self.session_pickup_delay_seconds = new.histogram(
            "session_pickup_delay_seconds", "How late a due session was taken up.", _LAG
        )
        self.ledger_consecutive_failures = new.gauge(
            "ledger_consecutive_failures", "Operations that the ledger failed in a row."
        )
        self.rule_errors_total = new.counter("rule_errors_total", "Expressions that failed.", "rule", "field", "reason")
        self.metadata_unread_total = new.counter(
            "metadata_unread_total", "Rooms of unread metadata.", "whose", "reason"
        )
        self.late_looks_total = new.counter("late_looks_total", "Looks for facts of which no webhook tells.")
        self._of_defects(new)
        self._of_process(new, version, lines_dropped)
        self._of_agents(new)
        self._of_probes(new)
        self._of_projects(new)
        self._of_others(new)

    def _of_defects(self, new: NewMetrics) -> None:
        self.reconciler_rounds_exceeded_total = new.counter(
            "reconciler_rounds_exceeded_total", "Drives cut off as endless."
        )
        self.reconciler_passes_exceeded_total = new.counter(
            "reconciler_passes_exceeded_total", "Looks whose judging was cut off as endless."
        )
        self.sessions_left_alone_total = new.counter(
            "sessions_left_alone_total", "Sessions left alone, as leases on them ran out in a row."
        )
        self.loop_errors_total = new.counter("loop_errors_total", "Unexpected errors that a loop survived.", "loop")

    def _of_process(self, new: NewMetrics, version: str, lines_dropped: Callable[[], int]) -> None:
        new.gauge("build_info", "Always 1; the version is the label.", "version").labels(version).set(1)
        new.read("log_lines_dropped_total", "Lines of the log that could not be written.", lines_dropped)
        ProcessCollector(registry=self._registry)  # process_…: memory, CPU, open files, start
        self.tape_claims_dropped_total = new.counter("tape_claims_dropped_total", "Claims that a tape has lost.")

    def _of_projects(self, new: NewMetrics) -> None:
        self.livekit_consecutive_failures = new.gauge(
            "livekit_consecutive_failures", "Looks and sweeps that LiveKit failed in a row.", "project"
        )
        self.last_sweep_success_timestamp_seconds = new.gauge(
            "last_sweep_success_timestamp_seconds", "When a sweep last came to its end here.", "project"
        )
        self.webhook_key_last_used_timestamp_seconds = new.gauge(
            "webhook_key_last_used_timestamp_seconds", "When a webhook last came signed with a key.", "project", "key"
        )
        self._keys = _Keys(self.webhook_key_last_used_timestamp_seconds)
        self.webhook_last_received_timestamp_seconds = new.gauge(
            "webhook_last_received_timestamp_seconds", "When LiveKit's last webhook came.", "project"
        )
        self.config_last_reload_successful = new.gauge(
            "config_last_reload_successful", "Whether the last reading of the configuration succeeded."
        )
        self.config_last_reload_success_timestamp_seconds = new.gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration in force was read."
        )

    def _of_others(self, new: NewMetrics) -> None:
        self.http_connections = new.gauge("http_connections", "Connections that are open.")
        self.http_connections_ended_total = new.counter("http_connections_ended_total", "Ended here, by why.", "reason")
        self.api_requests_total = new.counter("api_requests_total", "Requests to the API.", "result")
        self.event_readers = new.gauge("event_readers", "Who reads GET /v1/events here.")
        self.event_gaps_total = new.counter("event_gaps_total", "Readers told that they have missed some.", "reason")
        self.notices_total = new.counter("notices_total", "Tries to send a notice.", "receiver", "result")
        self.notices_waiting = new.gauge("notices_waiting", "Happenings not told yet.", "receiver")

    def know(self, *, agents: Iterable[str], rules: Iterable[str], keys: Mapping[str, Iterable[str]]) -> None:
        """Allow these names as label values. Earlier agents and rules stay allowed: their assignments outlive a reload.

        `keys`: by project, its API keys. Of other projects nothing is shown.
        """
        self._agents |= frozenset(agents)
        self._rules |= frozenset(rules)
        _begin_names(self, sorted(self._agents), sorted(self._rules))
        by_project = (
            self.livekit_consecutive_failures,
            self.last_sweep_success_timestamp_seconds,
            self.webhook_last_received_timestamp_seconds,
        )
        for gauge in by_project:
            for project in self._keys.projects - keys.keys():
                gauge.remove(project)
            begin(gauge, keys)
        self._keys.know(keys)

    def key_used(self, project: str, key: str, at: float) -> None:
        """Note a webhook signed with the key, `at` in seconds; one that a reload has just removed is not shown."""
        self._keys.used(project, key, at)

    def webhook_came(self, project: str, at: float) -> None:
        """Note a webhook of LiveKit's own, `at` in seconds."""
        self.webhook_last_received_timestamp_seconds.labels(project).set(at)

    def agent_label(self, name: str) -> str:
        """The agent's name if the configuration names it; a foreign one, or one that CEL computed, is "other"."""
        return name if name in self._agents else OTHER

    def rule_label(self, name: str) -> str:
        """The rule's name if the configuration has it, else "other"."""
        return name if name in self._rules else OTHER

    def exposition(self, *, as_open_metrics: bool = False) -> tuple[bytes, str]:
        """All metrics in Prometheus' text format, or as OpenMetrics, and the content type to send them with."""
        encode, content_type = choose_encoder(_OPEN_METRICS if as_open_metrics else "")
        return encode(WithoutCreated(self._registry, as_open_metrics=as_open_metrics)), content_type


def begin(metric: Counter | Gauge | Histogram, *values: Iterable[str]) -> None:
    """Show the metric at 0 for each combination of its labels' values: an alarm sees the first that is counted."""
    for labels in product(*values):
        metric.labels(*labels)


def _begin_names(metrics: Metrics, agents: Sequence[str], rules: Sequence[str]) -> None:
    """Show the counters of agents and rules with every name."""
    begin(metrics.dispatches_total, [*agents, OTHER], Verdict)
    for counter in (metrics.agents_joined_total, metrics.targets_bypassed_total, metrics.deployments_ignored_total):
        begin(counter, [*agents, OTHER])
    begin(metrics.rule_errors_total, rules, RULE_FIELDS, FailureReason)
    begin(metrics.time_to_agent_seconds, [*agents, OTHER])
    begin(metrics.invite_to_agent_seconds, [*agents, OTHER])


def event_label(name: str) -> str:
    """The event's name if LiveKit is known to send such events, else "other"."""
    return name if name in EVENTS else OTHER


def departure_label(reason: str) -> str:
    """LiveKit's disconnect reason; none at all is UNKNOWN_REASON, one that we do not know "other"."""
    if not reason:
        return "UNKNOWN_REASON"
    return reason if reason in DEPARTURES else OTHER


class _Keys:
    """When each API key was last used. Its position in its project is shown, from 1: anybody may read metrics."""

    def __init__(self, shown: Gauge) -> None:
        self._shown = shown
        self._used: dict[tuple[str, str], tuple[int, float]] = {}  # project and API key → position there, last used

    @property
    def projects(self) -> set[str]:
        """Those that have keys."""
        return {project for project, _ in self._used}

    def know(self, keys: Mapping[str, Iterable[str]]) -> None:
        """Show these and no others; one that has moved keeps its time, one not used yet is 0."""
        before, self._used = self._used, {}
        self._shown.clear()
        for project, its_keys in keys.items():
            for position, key in enumerate(its_keys, 1):
                _, used = before.get((project, key), (0, 0.0))
                self._used[project, key] = (position, used)
                self._shown.labels(project, position).set(used)

    def used(self, project: str, key: str, at: float) -> None:
        """Note that the key was used, `at` in seconds."""
        if (project, key) in self._used:
            position, _ = self._used[project, key]
            self._used[project, key] = (position, at)
            self._shown.labels(project, position).set(at)
