"""Writes the dashboard for Grafana 11 and newer: `python deploy/grafana/dashboard.py > deploy/grafana/dashboard.json`.

A test holds the JSON to this file, and each query to the metrics that there are.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

OURS: Final = "livekit_dispatcher_"
OF_OURS: Final = '{job="dispatcher"}'  # as deploy/compose/prometheus.yml calls it
WIDTH: Final = 24  # of Grafana's grid
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One panel: queries with their legends. `unit` is Grafana's name of one."""

    title: str
    queries: Sequence[tuple[str, str]]
    says: str
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    alarm: float | None = None  # red from there on


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[Panel]
    height: int = 7


def stat(title: str, query: str, says: str, *, unit: str = "short", alarm: float | None = None) -> Panel:
    """A number of now."""
    return Panel(title, [(query, "")], says, unit=unit, kind="stat", width=4, alarm=alarm)


def rate(metric: str, by: str, where: str = "") -> tuple[str, str]:
    """A counter of ours, in a second, for each value of a label."""
    return f"sum by ({by}) (rate({OURS}{metric}{where}[$__rate_interval]))", f"{{{{{by}}}}}"


def rise(metric: str, by: str) -> tuple[str, str]:
    """How much a counter of ours has risen, for each value of a label."""
    return f"sum by ({by}) (increase({OURS}{metric}[$__rate_interval]))", f"{{{{{by}}}}}"


def quantile(share: float, metric: str, by: str = "") -> tuple[str, str]:
    """How long it took at most, in that share of cases, by a histogram of ours; for each value of a label, if any."""
    labels = f"le, {by}" if by else "le"
    series = f"sum by ({labels}) (rate({OURS}{metric}_bucket[$__rate_interval]))"
    return f"histogram_quantile({share}, {series})", f"{{{{{by}}}}}" if by else f"p{share:.0%}".rstrip("%")


def greatest(metric: str, by: str = "", legend: str = "") -> tuple[str, str]:
    """A gauge of ours that every replica has, or that tells of the worst one."""
    return f"max{f' by ({by}) ' if by else ''}({OURS}{metric})", legend or f"{{{{{by}}}}}"


VAIN: Final = '{result=~"silent|no_show|rejected|failed"}'

ROWS: Final = (
    Row(
        "Now",
        (
            stat("Starved", f'max({OURS}assignments{{state="starved"}})', "No agent comes for them", alarm=1),
            stat("Longest wait", f"max({OURS}oldest_wait_seconds)", "Of who waits longest", unit="s", alarm=60),
            stat("Waiting", f'sum(max by (state) ({OURS}assignments{{state=~"waiting|requested"}}))', "An agent comes"),
            stat("Served", f'max({OURS}assignments{{state="served"}})', "An agent is in the room"),
            stat(
                "Circuits open", f"sum(max by (project, agent) ({OURS}target_circuit_open))", "Agents not seen", alarm=1
            ),
            stat("Replicas", f"count({OURS}build_info)", "That are scraped"),
        ),
        height=4,
    ),
    Row(
        "How soon agents come",
        (
            Panel(
                "Time to agent",
                [quantile(share, "time_to_agent_seconds") for share in (0.5, 0.95, 0.99)],
                "From the first person's joining to the agent's",
                unit="s",
            ),
            Panel(
                "Time to agent, p95 by agent",
                [quantile(0.95, "time_to_agent_seconds", "agent")],
                "Which agent is slow",
                unit="s",
            ),
            Panel(
                "INVITE to agent",
                [quantile(share, "invite_to_agent_seconds") for share in (0.5, 0.95, 0.99)],
                "What a caller waits, ringing included",
                unit="s",
            ),
            Panel(
                "Probes, p95 by agent",
                [quantile(0.95, "probe_seconds", "agent")],
                "How soon agents come that are asked for to see whether they do",
                unit="s",
            ),
            Panel(
                "Probes that fail",
                [greatest("probe_consecutive_failures", "project, agent", "{{agent}} ({{project}})")],
                "In a row; from two on somebody is told",
            ),
            Panel(
                "Late, or never",
                [("livekit_dispatcher:agents_late:ratio_rate1h", "after {{within}}")],
                "Share of people in an hour; 5 % may after 3 s, 1 % after 10 s",
                unit="percentunit",
            ),
        ),
    ),
    Row(
        "Rooms and agents",
        (
            Panel("Assignments", [greatest("assignments", "state")], "Of live rooms, by state"),
            Panel("How dispatches end", [rate("dispatches_total", "result")], "Each by its first end", unit="ops"),
            Panel("In vain", [rate("dispatches_total", "agent", VAIN)], "No agent came that stayed", unit="ops"),
            Panel("Agents that left", [rate("agents_left_total", "reason")], "By LiveKit's reason", unit="ops"),
            Panel("Agents too many", [rise("surplus_agents_total", "action")], "Found, removed, only reported"),
            Panel(
                "Circuits and pauses",
                [
                    greatest("target_circuit_open", "project, agent", "open: {{agent}} ({{project}})"),
                    greatest("agent_paused", "project, agent", "paused: {{agent}} ({{project}})"),
                ],
                "1: nobody new is given the agent",
            ),
        ),
    ),
    Row(
        "What comes in",
        (
            Panel("Webhooks", [rate("webhooks_total", "result")], "By result", unit="reqps"),
            Panel(
                "Since the last webhook",
                [(f"time() - max by (project) ({OURS}webhook_last_received_timestamp_seconds > 0)", "{{project}}")],
                "By project",
                unit="s",
            ),
            Panel("Made up for by the sweep", [rise("sweep_repairs_total", "kind")], "Webhooks that were lost"),
            Panel(
                "LiveKit's side: webhooks",
                [
                    ("sum(rate(livekit_webhook_dispatch_total[$__rate_interval]))", "sent"),
                    ("sum(livekit_webhook_queue_length)", "queued"),
                ],
                "Where Prometheus scrapes livekit-server, too",
            ),
            Panel("Webhooks answered", [quantile(0.99, "webhook_seconds")], "Headers to answer", unit="s"),
            Panel("API", [rate("api_requests_total", "result")], "Requests by result", unit="reqps"),
        ),
    ),
    Row(
        "What it depends on",
        (
            Panel("LiveKit, p99", [quantile(0.99, "livekit_request_seconds", "method")], "By method", unit="s"),
            Panel(
                "LiveKit's errors",
                [rate("livekit_request_seconds_count", "result", '{result!="ok"}')],
                "Requests that failed",
                unit="reqps",
            ),
            Panel(
                "Failures in a row",
                [
                    greatest("livekit_consecutive_failures", "project", "LiveKit: {{project}}"),
                    greatest("ledger_consecutive_failures", legend="ledger"),
                ],
                "0 where they answer",
            ),
            Panel("Ledger, p99", [quantile(0.99, "ledger_seconds", "op")], "By operation", unit="s"),
            Panel(
                "Picked up late",
                [quantile(0.99, "session_pickup_delay_seconds")],
                "A growing tail: too few replicas, or a slow LiveKit",
                unit="s",
            ),
            Panel(
                "Workers",
                [
                    ("sum(lk_agents_active_job_count)", "jobs"),
                    ("avg(lk_agents_worker_load)", "load"),
                    greatest("workers", "agent", "workers: {{agent}}"),
                ],
                "Jobs and load where Prometheus scrapes the agents, too",
            ),
        ),
    ),
    Row(
        "The processes",
        (
            Panel("CPU", [(f"rate(process_cpu_seconds_total{OF_OURS}[$__rate_interval])", "{{instance}}")], "Cores"),
            Panel("Memory", [(f"process_resident_memory_bytes{OF_OURS}", "{{instance}}")], "In RAM", unit="bytes"),
            Panel(
                "Defects",
                [
                    rise("loop_errors_total", "loop"),
                    (f"sum(increase({OURS}sessions_left_alone_total[$__rate_interval]))", "left alone"),
                ],
                "Above 0: please report it",
            ),
        ),
    ),
)


def dashboard() -> Json:
    """The whole dashboard."""
    return {
        "title": "LiveKit dispatcher",
        "uid": "livekit-dispatcher",
        "description": "Who waits, what each agent does, what comes in. What to do: docs/alerts.md",
        "tags": ["livekit"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {"list": []},
        "panels": list(_panels()),
    }


def _panels() -> Iterator[Json]:
    top, number = 0, 0
    for row in ROWS:
        number += 1
        place = {"h": 1, "w": WIDTH, "x": 0, "y": top}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        top, left = top + 1, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left = top + row.height, 0
            number += 1
            yield _panel(panel, number) | {"gridPos": {"h": row.height, "w": panel.width, "x": left, "y": top}}
            left += panel.width
        top += row.height


def _panel(panel: Panel, number: int) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.alarm is not None:
        steps.append({"color": "red", "value": panel.alarm})
    options: Json = {
        "tooltip": {"mode": "multi", "sort": "desc"},
        "legend": {"displayMode": "list", "placement": "bottom"},
    }
    if panel.kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background" if panel.alarm else "value"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": query, "legendFormat": legend or "__auto"}
            for at, (query, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": options,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=1) + "\n")
