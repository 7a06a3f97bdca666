"""The chart's manifests name what the service has. `make check-deploy` compares them with what Helm makes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from dispatcher.app import DRAIN_S
from dispatcher.config import load
from release.chart import CHART, COPIES, HEAD, PLAIN, PLAIN_SET, RENDERED, VALUES, values_schema
from tests.gates.tree import ROOT

SETS: Final = sorted(VALUES.glob("*.yaml"))
SECRETS: Final = {"REDIS_URL": "redis://valkey:6379", "DISPATCHER_API_TOKEN": "x" * 32, "EU_SECRET": "y" * 32}


def manifests(values: Path) -> Mapping[str, Mapping[str, Any]]:
    """What the chart makes of a value set, by kind and name's end."""
    documents = [one for one in yaml.safe_load_all((RENDERED / values.name).read_text()) if one]
    return {f"{one['kind']} {one['metadata']['name']}": one for one in documents}


def the(kind: str, found: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The first one of its kind."""
    return next(one for name, one in found.items() if name.startswith(f"{kind} "))


def variables(container: Mapping[str, Any], keys: Path) -> Iterator[tuple[str, str]]:
    """What the container's environment is, with secrets of ours."""
    for one in container["env"]:
        value = one.get("value", SECRETS.get(one["name"], ""))
        yield one["name"], str(keys) if one["name"] == "LIVEKIT_KEYS_FILE" else value


def test_what_is_made_of_other_files_is_in_step() -> None:
    """The alerts, the dashboard, the schema of the values, the plain manifests."""
    assert {copy: (CHART / copy).read_text() for copy in COPIES} == {
        copy: (ROOT / source).read_text() for copy, source in COPIES.items()
    }
    assert (CHART / "values.schema.json").read_text() == values_schema()
    assert PLAIN.read_text() == HEAD + (RENDERED / f"{PLAIN_SET}.yaml").read_text()
    assert [path.name for path in SETS] == sorted(path.name for path in RENDERED.glob("*.yaml"))
    assert len(SETS) == 10


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.stem)
def test_the_service_takes_the_configuration_and_the_environment(values: Path, tmp_path: Path) -> None:
    """Without a warning: no variable is misspelt, no field is unknown, and livekit-helm's own Secret is read."""
    found = manifests(values)
    [container] = the("Deployment", found)["spec"]["template"]["spec"]["containers"]
    (tmp_path / "dispatcher.yaml").write_text(the("ConfigMap", found)["data"]["dispatcher.yaml"])
    (tmp_path / "keys.yaml").write_text(f"APIlivekit: {'z' * 32}\n")

    environment = dict(variables(container, tmp_path / "keys.yaml"))
    config = load(tmp_path / "dispatcher.yaml", environment)

    assert config.warnings == ()
    assert environment["DISPATCHER_CONFIG"].startswith(container["volumeMounts"][0]["mountPath"])
    assert {port["containerPort"] for port in container["ports"]} == {config.port, config.admin_port}
    assert (config.ledger is None) == (values.stem == "memory")


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.stem)
def test_pods_may_do_nothing_that_they_need_not(values: Path) -> None:
    """As the Pod Security Standard `restricted` asks, with a root file system that is read-only."""
    pod = the("Deployment", manifests(values))["spec"]["template"]["spec"]
    [container] = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"\nUSER {pod['securityContext']['runAsUser']}\n" in (ROOT / "Dockerfile").read_text()
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.stem)
def test_requests_reach_the_pods(values: Path) -> None:
    """Each Service selects them, and its ports are theirs; probes ask what there is; no end is cut short."""
    found = manifests(values)
    template = the("Deployment", found)["spec"]["template"]
    [container] = template["spec"]["containers"]
    names = {port["name"] for port in container["ports"]}
    services = [one["spec"] for name, one in found.items() if name.startswith("Service ")]
    probes = {
        probe: (container[probe]["httpGet"]["path"], container[probe]["httpGet"]["port"])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }

    assert all(service["selector"].items() <= template["metadata"]["labels"].items() for service in services)
    assert {service["ports"][0]["targetPort"] for service in services} == names
    assert probes == {
        "startupProbe": ("/healthz", "admin"),
        "livenessProbe": ("/healthz", "admin"),
        "readinessProbe": ("/readyz", "admin"),
    }
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert template["spec"]["terminationGracePeriodSeconds"] >= before + DRAIN_S + 4


def test_an_alert_and_a_panel_come_through_as_they_are() -> None:
    """Their braces are Prometheus's and Grafana's, not Helm's."""
    found = manifests(VALUES / "monitoring.yaml")
    dashboard = next(one for name, one in found.items() if name.endswith("-dashboard"))

    assert the("PrometheusRule", found)["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
    assert dashboard["data"]["livekit-dispatcher.json"].strip() == (
        (ROOT / "deploy/grafana/dashboard.json").read_text().strip()
    )
    monitor = the("ServiceMonitor", found)["spec"]
    admin = next(one for name, one in found.items() if name.startswith("Service ") and name.endswith("-admin"))
    assert monitor["selector"]["matchLabels"].items() <= admin["metadata"]["labels"].items()
    assert [one["port"] for one in monitor["endpoints"]] == [admin["spec"]["ports"][0]["name"]]


def test_no_name_is_longer_than_kubernetes_takes() -> None:
    """Also where something is added to a long one."""
    names = [name.partition(" ")[2] for name in manifests(VALUES / "names.yaml")]

    assert max(map(len, names)) <= 63


def test_the_notes_say_where_livekit_sends_its_webhooks() -> None:
    """To the path that the service takes them at."""
    assert "/webhook\n" in (CHART / "templates" / "NOTES.txt").read_text()


def test_systemd_starts_and_reloads_what_there_is() -> None:
    """The command, the signal that reloads, and time enough to end."""
    unit = (ROOT / "deploy/systemd/livekit-dispatcher.service").read_text()

    assert "/bin/dispatcher serve --log json\n" in unit
    assert "ExecReload=/bin/kill -HUP $MAINPID\n" in unit
    assert int(unit.partition("TimeoutStopSec=")[2].partition("\n")[0]) > 10
