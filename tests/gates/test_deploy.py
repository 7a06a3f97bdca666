"""The image and the compose file name only what exists: no daemon is needed to find that out."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest
import yaml

from tests.gates.tree import ROOT

COMPOSE = ROOT / "deploy" / "compose.yaml"


def copied(dockerfile: str) -> Iterator[str]:
    """Every path that a COPY takes from the repository."""
    for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE):
        yield from line.split()[:-1]


def admitted(path: str, dockerignore: str) -> bool:
    """The last line that matches decides, as in Docker; a folder's line holds for what is in it."""
    verdict = True
    for line in dockerignore.splitlines():
        pattern = line.removeprefix("!").strip()
        if pattern and not pattern.startswith("#") and (fnmatch(path, pattern) or path.startswith(f"{pattern}/")):
            verdict = line.startswith("!")
    return verdict


def mounts(compose: str) -> Iterator[str]:
    """The host's side of every file mounted."""
    for service in yaml.safe_load(compose)["services"].values():
        yield from (volume.partition(":")[0] for volume in service.get("volumes", []))


def test_everything_the_image_copies_is_there() -> None:
    """Each COPY names a path that exists and that .dockerignore lets through."""
    paths = list(copied((ROOT / "Dockerfile").read_text()))
    ignore = (ROOT / ".dockerignore").read_text()

    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [path for path in paths if not admitted(path, ignore)] == []


def test_the_image_stops_and_starts_in_exec_form() -> None:
    """The process is the container's first, so SIGTERM reaches it; its health check is no shell either."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    commands = re.findall(r"(?:ENTRYPOINT|CMD) (\[.*\])$", dockerfile, re.MULTILINE)
    health, entrypoint = (json.loads(command) for command in commands)

    assert entrypoint == ["dispatcher", "serve"]
    compile(health[2], "healthcheck", "exec")
    assert "STOPSIGNAL SIGTERM" in dockerfile
    assert re.search(r"^USER \d+$", dockerfile, re.MULTILINE)


def test_everything_compose_mounts_is_there() -> None:
    """Each file mounted lies beside the compose file."""
    paths = list(mounts(COMPOSE.read_text()))

    assert paths
    assert [path for path in paths if not (COMPOSE.parent / path).is_file()] == []


def test_livekit_and_prometheus_point_at_the_service() -> None:
    """LiveKit's webhooks and Prometheus's scrapes go to the service that compose names."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    livekit = yaml.safe_load((COMPOSE.parent / "livekit.yaml").read_text())["webhook"]
    prometheus = yaml.safe_load((COMPOSE.parent / "prometheus.yml").read_text())["scrape_configs"][0]

    assert "dispatcher" in services
    assert livekit["urls"] == ["http://dispatcher:8080/webhook"]
    assert livekit["api_key"] == services["dispatcher"]["environment"]["LIVEKIT_API_KEY"]
    assert prometheus["static_configs"][0]["targets"] == ["dispatcher:8080"]


def test_a_path_that_is_copied_is_found() -> None:
    """Sources are listed, the destination and other stages are not."""
    assert list(copied("COPY a b/c ./\nCOPY --from=build /x /x\nRUN cp d e\n")) == ["a", "b/c"]


@pytest.mark.parametrize(
    ("path", "verdict"),
    [("dispatcher", True), ("dispatcher/core/plan.py", True), ("README.md", False), ("deploy/x", False)],
)
def test_the_last_line_of_dockerignore_decides(path: str, verdict: bool) -> None:
    """What no line admits again stays out."""
    assert admitted(path, "# all\n*\n!dispatcher\n!README.md\nREADME.md\n") is verdict


def test_a_mount_is_found() -> None:
    """The host's side of a mount is what must exist."""
    compose = "services: {a: {volumes: [./x.yml:/etc/x.yml:ro]}, b: {}}"

    assert list(mounts(compose)) == ["./x.yml"]
