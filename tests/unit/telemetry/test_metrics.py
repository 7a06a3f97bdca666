"""The metrics: their names and labels, and that no label value can grow without bound."""

import re
from typing import Any

import pytest
from livekit.protocol.models import DisconnectReason
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.core.timeline import Verdict
from dispatcher.expressions import FailureReason
from dispatcher.telemetry.metrics import DEPARTURES, PREFIX, RULE_FIELDS, Metrics, departure_label, event_label

DECLARED: dict[str, tuple[type, set[str]]] = {
    "webhooks_total": (Counter, {"event", "result"}),
    "webhook_seconds": (Histogram, set()),
    "webhook_age_seconds": (Histogram, set()),
    "webhook_skew_seconds": (Histogram, set()),
    "dispatches_total": (Counter, {"agent", "result"}),
    "agents_joined_total": (Counter, {"agent"}),
    "webhook_last_received_timestamp_seconds": (Gauge, {"project"}),
    "create_seconds": (Histogram, set()),
    "deployments_ignored_total": (Counter, {"agent"}),
    "agent_paused": (Gauge, {"project", "agent"}),
    "target_circuit_open": (Gauge, {"project", "agent"}),
    "targets_bypassed_total": (Counter, {"agent"}),
    "time_to_agent_seconds": (Histogram, {"agent"}),
    "probes_total": (Counter, {"project", "agent", "result"}),
    "probe_seconds": (Histogram, {"project", "agent"}),
    "probe_consecutive_failures": (Gauge, {"project", "agent"}),
    "probe_last_success_timestamp_seconds": (Gauge, {"project", "agent"}),
    "invite_to_agent_seconds": (Histogram, {"agent"}),
    "assignments": (Gauge, {"state"}),
    "assignments_starved_total": (Counter, set()),
    "ledger_consecutive_failures": (Gauge, set()),
    "oldest_wait_seconds": (Gauge, set()),
    "agents_left_total": (Counter, {"agent", "reason"}),
    "surplus_agents_total": (Counter, {"action"}),
    "sweep_repairs_total": (Counter, {"kind"}),
    "livekit_request_seconds": (Histogram, {"method", "result"}),
    "ledger_seconds": (Histogram, {"op"}),
    "session_pickup_delay_seconds": (Histogram, set()),
    "rule_errors_total": (Counter, {"rule", "field", "reason"}),
    "metadata_unread_total": (Counter, {"whose", "reason"}),
    "sessions_left_alone_total": (Counter, set()),
    "late_looks_total": (Counter, set()),
    "reconciler_rounds_exceeded_total": (Counter, set()),
    "reconciler_passes_exceeded_total": (Counter, set()),
    "loop_errors_total": (Counter, {"loop"}),
    "workers": (Gauge, {"agent"}),
    "worker_polls_total": (Counter, {"result"}),
    "launcher_requests_total": (Counter, {"launcher", "result"}),
    "tape_claims_dropped_total": (Counter, set()),
    "livekit_consecutive_failures": (Gauge, {"project"}),
    "last_sweep_success_timestamp_seconds": (Gauge, {"project"}),
    "webhook_key_last_used_timestamp_seconds": (Gauge, {"project", "key"}),
    "config_last_reload_successful": (Gauge, set()),
    "config_last_reload_success_timestamp_seconds": (Gauge, set()),
    "http_connections": (Gauge, set()),
    "http_connections_ended_total": (Counter, {"reason"}),
    "api_requests_total": (Counter, {"result"}),
    "event_readers": (Gauge, set()),
    "event_gaps_total": (Counter, {"reason"}),
    "split_side_stopped": (Gauge, {"project", "rule", "agent"}),
    "notices_total": (Counter, {"receiver", "result"}),
    "notices_waiting": (Gauge, {"receiver"}),
}
BOUNDED = {
    *("event", "result", "agent", "state", "reason", "action", "kind", "method", "op", "rule", "field"),
    *("loop", "version", "le", "project", "key", "whose", "receiver", "launcher"),
}


def samples(metrics: Metrics) -> dict[str, list[dict[str, str]]]:
    """Every sample exposed: name to its label sets."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(metrics.exposition()[0].decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def every_metric_used() -> Metrics:
    """Metrics with one sample for each."""
    metrics = Metrics(version="1.2.3")
    for name, (kind, labels) in DECLARED.items():
        metric: Any = getattr(metrics, name)
        bound = metric.labels(**dict.fromkeys(labels, "x")) if labels else metric
        (bound.observe if kind is Histogram else bound.inc)(1)
    return metrics


def test_every_metric_has_its_name_type_and_labels() -> None:
    """An attribute is called as its metric, less the prefix, and takes exactly the labels that are declared."""
    metrics = every_metric_used()
    found = samples(metrics)

    assert {name for name in vars(metrics) if not name.startswith("_")} - {"version"} == set(DECLARED)
    for name, (kind, labels) in DECLARED.items():
        assert type(getattr(metrics, name)) is kind
        shown = f"{PREFIX}{name}_count" if kind is Histogram else f"{PREFIX}{name}"
        assert dict.fromkeys(labels, "x") in found[shown]


def test_no_label_can_hold_a_room_or_an_identity() -> None:
    """Every label of every sample is one whose values are bounded."""
    found = {label for sets in samples(every_metric_used()).values() for labels in sets for label in labels}

    assert found == BOUNDED


def test_the_version_is_shown() -> None:
    """build_info is 1, and names the version."""
    body, content_type = Metrics(version="1.2.3").exposition()

    assert b'livekit_dispatcher_build_info{version="1.2.3"} 1.0' in body
    assert content_type.startswith("text/plain")


def test_lost_lines_of_the_log_are_asked_for_when_they_are_shown() -> None:
    """Counting them needs no metrics: the log is there before, and may be written by any thread."""
    lost = 0
    metrics = Metrics(lines_dropped=lambda: lost)

    for lost in (3, 5):
        assert f"livekit_dispatcher_log_lines_dropped_total {lost}.0\n" in metrics.exposition()[0].decode()
    assert "livekit_dispatcher_log_lines_dropped_total 0.0\n" in Metrics().exposition()[0].decode()


def test_there_are_no_created_series() -> None:
    """The text format has no use for them, and they would double the counters."""
    assert not [name for name in samples(every_metric_used()) if name.endswith("_created")]


def test_a_registry_is_used_when_passed_in() -> None:
    """Two sets of metrics share nothing; one can be read from the registry it was given."""
    registry = CollectorRegistry()
    Metrics(registry).reconciler_rounds_exceeded_total.inc()
    Metrics()

    assert registry.get_sample_value("livekit_dispatcher_reconciler_rounds_exceeded_total") == 1


def test_only_announced_agents_and_rules_are_label_values() -> None:
    """A foreign agent, or a name that CEL made, is "other"; a reload adds names and takes none away."""
    metrics = Metrics(agents=["greeter"], rules=["everyone"])
    names = ["greeter", "everyone", "sales", "line"]

    assert [metrics.agent_label(name) for name in names] == ["greeter", "other", "other", "other"]
    assert [metrics.rule_label(name) for name in names] == ["other", "everyone", "other", "other"]

    metrics.know(agents=["sales"], rules=["line"], keys={})
    assert [metrics.agent_label(name) for name in names] == ["greeter", "other", "sales", "other"]
    assert [metrics.rule_label(name) for name in names] == ["other", "everyone", "other", "line"]


def keys_shown(metrics: Metrics) -> list[str]:
    """What is exposed of the API keys."""
    lines = metrics.exposition()[0].decode().splitlines()
    name = f"{PREFIX}webhook_key_last_used_timestamp_seconds"
    return sorted(line.removeprefix(name) for line in lines if line.startswith(name))


def test_api_keys_are_shown_by_their_positions() -> None:
    """Those configured, from the start, as never used; anybody may read metrics, and no key is in them."""
    metrics = Metrics()
    metrics.know(agents=[], rules=[], keys={"eu": ["APIold", "APInew"], "us": ["APInew"]})
    metrics.key_used("eu", "APInew", 7)

    assert keys_shown(metrics) == [
        '{key="1",project="eu"} 0.0',
        '{key="1",project="us"} 0.0',
        '{key="2",project="eu"} 7.0',
    ]
    assert not {b"APIold", b"APInew"} & set(re.findall(rb"\w+", metrics.exposition()[0]))


def test_a_key_that_a_reload_moves_keeps_its_time() -> None:
    """One that it takes out is not shown, not even if its last webhook comes just then."""
    metrics = Metrics()
    metrics.know(agents=[], rules=[], keys={"eu": ["APIold", "APInew"]})
    metrics.key_used("eu", "APInew", 7)
    metrics.know(agents=[], rules=[], keys={"eu": ["APInew"]})
    metrics.key_used("eu", "APIold", 8)

    assert keys_shown(metrics) == ['{key="1",project="eu"} 7.0']


def test_every_project_configured_begins_without_failures() -> None:
    """So that an alarm has something to compare with; one that a reload has taken out is not shown."""
    metrics = Metrics()
    metrics.know(agents=[], rules=[], keys={"eu": ["APIone", "APItwo"], "us": ["APIthree"]})
    metrics.livekit_consecutive_failures.labels("eu").inc()
    metrics.know(agents=[], rules=[], keys={"eu": ["APItwo"], "asia": ["APIfour"]})

    text = metrics.exposition()[0].decode()
    name = "livekit_dispatcher_livekit_consecutive_failures"
    shown = [line for line in text.splitlines() if line.startswith(name)]
    assert sorted(shown) == [f'{name}{{project="asia"}} 0.0', f'{name}{{project="eu"}} 1.0']
    name = "livekit_dispatcher_last_sweep_success_timestamp_seconds"
    shown = [line for line in text.splitlines() if line.startswith(name)]
    assert sorted(shown) == [f'{name}{{project="asia"}} 0.0', f'{name}{{project="eu"}} 0.0']


def test_what_may_be_counted_of_agents_and_rules_is_there_from_the_start() -> None:
    """At 0, each result of each: a rate sees the first of them, which may be the only one."""
    metrics = Metrics()
    metrics.know(agents=["greeter"], rules=["everyone"], keys={})
    found = samples(metrics)

    results = {labels["result"] for labels in found[f"{PREFIX}dispatches_total"] if labels["agent"] == "greeter"}
    assert results == set(Verdict)
    for name in ("agents_joined_total", "targets_bypassed_total", "deployments_ignored_total"):
        assert found[f"{PREFIX}{name}"] == [{"agent": "greeter"}, {"agent": "other"}]
    assert len(found[f"{PREFIX}rule_errors_total"]) == len(RULE_FIELDS) * len(FailureReason)
    assert {labels["action"] for labels in found[f"{PREFIX}surplus_agents_total"]} == {"found", "removed", "reported"}


def test_the_process_is_measured() -> None:
    """By the names that every dashboard knows."""
    found = samples(Metrics())

    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"} <= set(found)
    assert {"process_max_fds", "process_start_time_seconds"} <= set(found)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("participant_joined", "participant_joined"),
        ("agent_job_pending", "agent_job_pending"),
        ("from_the_future", "other"),
        ("", "other"),
    ],
)
def test_an_event_that_livekit_does_not_send_is_other(name: str, label: str) -> None:
    """A signed body may still name its event anything."""
    assert event_label(name) == label


@pytest.mark.parametrize(
    ("reason", "label"),
    [("CLIENT_INITIATED", "CLIENT_INITIATED"), ("", "UNKNOWN_REASON"), ("99", "other"), ("FROM_THE_FUTURE", "other")],
)
def test_a_reason_that_livekit_does_not_have_is_other(reason: str, label: str) -> None:
    """Reasons come from the network: those of a newer LiveKit fall together."""
    assert departure_label(reason) == label


def test_the_reasons_are_livekits() -> None:
    """The allow-list is the protocol's enum, no more and no less."""
    assert set(DisconnectReason.keys()) == DEPARTURES
