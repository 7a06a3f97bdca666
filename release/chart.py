"""`python -m release.chart [--write]`: the chart is what it should be, for each value set in `tests/chart/values`.

Those in `tests/chart/refused` are refused, each in the words of its first line. Each other set is linted, rendered,
compared with what it gave before (`tests/chart/rendered`), and checked against Kubernetes' own schemas. One of them is
published as plain manifests, too, for those who do not use Helm. `--write`: what is made of other files is made anew,
and what is rendered becomes what is expected.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from release.distributions import ROOT
from release.tools import install

CHART: Final = ROOT / "deploy" / "helm" / "livekit-dispatcher"
VALUES: Final = ROOT / "tests" / "chart" / "values"
REFUSED: Final = ROOT / "tests" / "chart" / "refused"
RENDERED: Final = ROOT / "tests" / "chart" / "rendered"
PLAIN: Final = ROOT / "deploy" / "kubernetes.yaml"
PLAIN_SET: Final = "plain"
COPIES: Final[Mapping[str, str]] = {
    "files/alerts.yaml": "deploy/prometheus/alerts.yaml",
    "files/dashboard.json": "deploy/grafana/dashboard.json",
}
SCHEMA: Final = "dispatcher.schema.json"
KUBERNETES: Final = "v1.37.0-local-strict"  # a folder of kubernetes-validate's
ELSEWHERE: Final = "ServiceMonitor,PrometheusRule"  # kinds of the Prometheus operator
HEAD: Final = (
    f"# What deploy/helm/livekit-dispatcher makes of tests/chart/values/{PLAIN_SET}.yaml. Made by release/chart.py.\n"
)


def main(*options: str) -> int:
    """Exit code 1, and what differs, where something is not as it should be."""
    write = options == ("--write",)
    made = {CHART / copy: (ROOT / source).read_text() for copy, source in COPIES.items()}
    made[CHART / "values.schema.json"] = values_schema()
    if write:
        _write(made)
    values = sorted(VALUES.glob("*.yaml"))
    for path in values:
        _run("helm", "lint", "--quiet", "--strict", CHART, "--values", path)
        made[RENDERED / path.name] = render(path)
    for path in sorted(REFUSED.glob("*.yaml")):
        refuse(path)
    made[PLAIN] = HEAD + made[RENDERED / f"{PLAIN_SET}.yaml"]
    if write:
        _write(made)
    if wrong := [
        str(path.relative_to(ROOT)) for path, text in made.items() if not path.exists() or path.read_text() != text
    ]:
        sys.stderr.write(f"these differ from what `python -m release.chart --write` makes: {', '.join(wrong)}\n")
        return 1
    sys.stdout.write(f"helm lint and helm template: {len(values)} value sets\n")
    sys.stdout.write(conforms([RENDERED / path.name for path in values]))
    return 0


def values_schema() -> str:
    """The chart's own schema, with that of the service's configuration in it."""
    schema = json.loads((CHART / "values.base.schema.json").read_text())
    own = json.loads((ROOT / "deploy" / SCHEMA).read_text())
    schema["$defs"] = own.pop("$defs")
    schema["properties"]["dispatcher"] = own | {"$comment": f"deploy/{SCHEMA}"}
    return json.dumps(schema, indent=2) + "\n"


def render(values: Path) -> str:
    """What the chart makes of these values, in the namespace that examples take."""
    return _run("helm", "template", "dispatcher", CHART, "--namespace", "livekit", "--values", values)


def refuse(values: Path) -> None:
    """Raises SystemExit: the chart takes these values, or refuses them in other words."""
    expected = values.read_text().partition("\n")[0].removeprefix("# ")
    command: list[str | Path] = [install("helm"), "template", "dispatcher", CHART, "--values", values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.returncode or expected not in done.stderr:
        raise SystemExit(f"{values.name} is not refused with {expected!r}:\n{done.stderr}")


def conforms(files: list[Path]) -> str:
    """What kubeconform says. Raises SystemExit with them where a manifest is none that Kubernetes takes."""
    with TemporaryDirectory() as folder:
        schemas = Path(folder)
        for path in (_schemas() / KUBERNETES).glob("*.json"):
            (schemas / path.name).write_text(json.dumps(_local(json.loads(path.read_text()))))
        where = f"{schemas}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
        return _run("kubeconform", "-strict", "-summary", "-skip", ELSEWHERE, "-schema-location", where, *files)


def _local(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its references to the file beside it, instead of an address on the network."""
    schema.pop("$id", None)
    local: dict[str, Any] = json.loads(json.dumps(schema).replace('"/api/_definitions.json', '"_definitions.json'))
    return local


def _schemas() -> Path:
    import kubernetes_validate  # noqa: PLC0415  of the release's tools alone

    return Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"


def _write(made: Mapping[Path, str]) -> None:
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _run(tool: str, *arguments: str | Path) -> str:
    done = subprocess.run([install(tool), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{tool} {' '.join(map(str, arguments))}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
