"""Alerts, their tests, their runbook and the dashboard hold together, and ask for metrics that there are."""

import json
import re
import subprocess
import sys
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry

from dispatcher.telemetry.metrics import PREFIX, Metrics
from tests.gates.monitoring import DASHBOARD, DEPLOY, FOREIGN, asked_for, queries, read, rules
from tests.gates.tree import ROOT

RUNBOOK: Final = "docs/alerts.md"


def alerts() -> dict[str, dict[str, Any]]:
    """Every alert, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def sections(document: str) -> set[str]:
    """The sections that are named as alerts are."""
    return set(re.findall(r"^### (Dispatcher\w+)$", document, re.MULTILINE))


def series() -> set[str]:
    """Every series that the service exposes, histograms' parts included, and every one that the rules record."""
    registry = CollectorRegistry()
    Metrics(registry)
    names = set[str]()
    for metric in registry.collect():
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(metric.type, [""])
        names |= {f"{metric.name}{end}" for end in ends}
    return names | {rule["record"] for rule in rules() if "record" in rule}


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_every_query_asks_for_series_that_there_are(where: str, query: str) -> None:
    """Whoever renames a metric finds the alert and the panel that would have gone blind."""
    asked = asked_for(query)
    assert asked, where
    assert asked - series() <= FOREIGN, where


def test_every_alert_has_its_section_and_the_reverse() -> None:
    """The rule leads to it by its anchor."""
    assert sections((ROOT / RUNBOOK).read_text()) == set(alerts())
    for name, alert in alerts().items():
        assert alert["annotations"]["runbook_url"] == f"{RUNBOOK}#{name.lower()}"


def test_every_section_says_three_things_to_look_at() -> None:
    """Meaning, the first three things to look at, what to do."""
    parts = re.split(
        r"^### (Dispatcher\w+)\n", (ROOT / RUNBOOK).read_text().partition("\n## More")[0], flags=re.MULTILINE
    )
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        meaning, *steps, end = re.split(r"^\d\. ", text, flags=re.MULTILINE)
        assert meaning.strip(), name
        assert len([*steps, end]) == 3, name
        assert "\n\n" in end.strip(), name


def test_every_alert_says_how_urgent_it_is_and_what_it_saw() -> None:
    """A page or a ticket, with a summary and a description."""
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in {"page", "ticket"}, name
        assert all(alert["annotations"][text] for text in ("summary", "description")), name


def test_every_alert_is_tested_before_in_and_after_its_trouble() -> None:
    """The tests are run by promtool (tests/e2e); here each is known to be there."""
    tests = read(DEPLOY / "prometheus" / "alerts_test.yaml")["tests"]
    assert [test["name"] for test in tests] == list(alerts())
    for test in tests:
        expected = [case["exp_samples"] for case in test["promql_expr_test"]]
        assert [bool(samples) for samples in expected] == [False, True, False], test["name"]
        assert all(f'alertname="{test["name"]}"' in case["expr"] for case in test["promql_expr_test"])


def test_the_dashboard_is_what_its_code_makes() -> None:
    """Run `python deploy/grafana/dashboard.py > deploy/grafana/dashboard.json` after a change."""
    made = subprocess.run([sys.executable, DEPLOY / "grafana" / "dashboard.py"], capture_output=True, check=True)
    assert made.stdout.decode() == DASHBOARD.read_text()


def test_panels_fill_the_grid_and_overlap_nowhere() -> None:
    """As Grafana's own editor would place them."""
    places = set[tuple[int, int]]()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places, panel["title"]
        places |= cells
    assert max(x for x, _ in places) == 23


def test_keda_and_the_hpa_scale_on_the_same_query() -> None:
    """One says nothing that the other does not."""
    found = dict(queries())
    assert found["keda"] == found["hpa"]


def test_a_query_s_series_are_found() -> None:
    """Names of labels and their values are none."""
    assert asked_for(f'max by (livekit_x) ({PREFIX}a{{state="lk_b"}}) / livekit_dispatcher:b:rate5m') == {
        f"{PREFIX}a",
        "livekit_dispatcher:b:rate5m",
    }
