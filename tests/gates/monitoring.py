"""What is shipped for Prometheus and Grafana asks for: alerts, recordings, panels, and what scales by them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from tests.gates.tree import ROOT

DEPLOY: Final = ROOT / "deploy"
DASHBOARD: Final = DEPLOY / "grafana" / "dashboard.json"
FOREIGN: Final = frozenset({  # livekit-server's and the agents' own (docs/livekit.md)
    "livekit_webhook_dispatch_total", "livekit_webhook_queue_length",
    "lk_agents_active_job_count", "lk_agents_worker_load",
})  # fmt: skip


def read(path: Path) -> Any:  # noqa: ANN401  YAML may hold anything
    """A YAML file."""
    return yaml.safe_load(path.read_text())


def rules() -> list[dict[str, Any]]:
    """Every rule, of recordings and of alerts."""
    return [rule for group in read(DEPLOY / "prometheus" / "alerts.yaml")["groups"] for rule in group["rules"]]


def asked_for(expression: str) -> set[str]:
    """The series that a query asks for."""
    return set(re.findall(r"\b(?:livekit|lk|process)_[a-z_0-9:]+", re.sub(r'"[^"]*"|\bby \([^)]*\)', "", expression)))


def queries() -> Iterator[tuple[str, str]]:
    """Every query that is shipped, and where it stands."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield f"dashboard: {panel['title']}", target["expr"]
    for trigger in read(DEPLOY / "scaling" / "keda.yaml")["spec"]["triggers"]:
        yield "keda", trigger["metadata"]["query"]
    adapter = re.search(r"metricsQuery: (.*)", (DEPLOY / "scaling" / "hpa.yaml").read_text())
    assert adapter
    yield "hpa", adapter[1]
