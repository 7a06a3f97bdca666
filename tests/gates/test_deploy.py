"""The image and the compose file name only what exists: no daemon is needed to find that out."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from deploy.grafana.dashboard import OF_OURS
from dispatcher.config import load, load_offline
from dispatcher.config.environment import PORT
from dispatcher.core.rules import Target
from release.tools import MODULES
from tests.gates.tree import ROOT, repository_files
from tests.real.compose import COMPOSE, given
from tests.real.install import VERSION


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
        volumes = (volume.partition(":")[0] for volume in service.get("volumes", []))
        yield from (volume for volume in volumes if volume.startswith("."))  # else a volume of Docker's own


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
    health, entrypoint, command = (json.loads(command) for command in commands)

    assert (entrypoint, command) == (["dispatcher"], ["serve"])
    assert health == ["dispatcher", "healthcheck"]
    assert "STOPSIGNAL SIGTERM" in dockerfile
    assert all(
        "--require-hashes" in line or "--no-deps" in line
        for line in re.findall("pip .*(?:install|wheel).*", dockerfile)
    )
    assert re.search(r"^USER \d+$", dockerfile, re.MULTILINE)


def test_everything_compose_mounts_is_there() -> None:
    """Each file mounted lies beside the compose file."""
    paths = list(mounts(COMPOSE.read_text()))

    assert paths
    assert [path for path in paths if not (COMPOSE.parent / path).is_file()] == []


def test_livekit_and_prometheus_point_at_the_service() -> None:
    """LiveKit's webhooks go to the balancer, and from there to each replica; Prometheus asks each of them."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    livekit = yaml.safe_load((COMPOSE.parent / "livekit.yaml").read_text())["webhook"]
    prometheus = yaml.safe_load((COMPOSE.parent / "prometheus.yml").read_text())
    [scraped] = prometheus["scrape_configs"][0]["dns_sd_configs"]
    balancer = (COMPOSE.parent / "haproxy.cfg").read_text()
    replicas, behind = re.findall(r"server-template replica (\d+) (\S+) ", balancer)[0]

    assert livekit["urls"] == ["http://balancer:8080/webhook"]
    assert livekit["api_key"] == services["dispatcher"]["environment"]["LIVEKIT_API_KEY"]
    assert re.findall(r"bind :(\d+)$", balancer, re.MULTILINE) == ["8080"]
    assert (int(replicas), behind) == (services["dispatcher"]["deploy"]["replicas"], f"dispatcher:{PORT}")
    assert (scraped["names"], scraped["port"]) == (["dispatcher"], PORT)
    assert prometheus["scrape_configs"][0]["job_name"] in OF_OURS


def test_every_name_and_every_file_inside_is_there() -> None:
    """Hosts are services, files that a program reads are mounted, and what is built has its Dockerfile."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    mounted = {mount.split(":")[1] for one in services.values() for mount in one.get("volumes", [])}
    files = [*COMPOSE.parent.rglob("*.y*ml"), COMPOSE.parent / "haproxy.cfg"]
    named = {
        host
        for path in files
        for host in re.findall(r"\b([a-z]+):(?:7880|8080|8081|9090|9093|6379)\b", path.read_text())
    }
    prometheus = yaml.safe_load((COMPOSE.parent / "prometheus.yml").read_text())
    [provider] = yaml.safe_load((COMPOSE.parent / "grafana/dashboards.yaml").read_text())["providers"]
    [source] = yaml.safe_load((COMPOSE.parent / "grafana/datasources.yaml").read_text())["datasources"]

    assert named == {"livekit", "dispatcher", "balancer", "valkey", "prometheus", "alertmanager"}
    assert named <= set(services)
    assert {needed for one in services.values() for needed in one.get("depends_on", [])} <= set(services)
    assert set(prometheus["rule_files"]) <= mounted
    assert any(path.startswith(provider["options"]["path"]) for path in mounted)
    assert f'"query": "{source["type"]}"' in (ROOT / "deploy/grafana/dashboard.json").read_text()
    built = [COMPOSE.parent / one["build"] / "Dockerfile" for one in services.values() if "build" in one]
    assert [path.resolve().relative_to(ROOT).as_posix() for path in built] == [
        "Dockerfile",
        "examples/agent/Dockerfile",
    ]


def test_every_port_is_open_on_this_machine_alone() -> None:
    """Nobody else reaches a LiveKit, a Grafana and a service that are there to be tried."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    ports = [port for one in services.values() for port in one.get("ports", [])]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_page_names_what_compose_opens() -> None:
    """Each address that somebody is told to open is one that is there."""
    page = (ROOT / "docs" / "compose.md").read_text()
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    ports = {port.split(":")[1] for one in services.values() for port in one.get("ports", [])}

    assert set(re.findall(r"//127\.0\.0\.1:(\d+)", page)) <= ports
    assert f"docker compose -f {COMPOSE.relative_to(ROOT)} up --build" in page


@pytest.mark.parametrize(("agent", "asked"), [({}, ["everyone"]), ({"DISPATCHER_AGENT": "sales"}, ["default"])])
def test_compose_is_right_with_and_without_an_agent_of_the_environment(agent: dict[str, str], asked: list[str]) -> None:
    """Its rules file is mounted, and its API is on; with DISPATCHER_AGENT that agent is the only rule."""
    environment = {"LIVEKIT_API_SECRET": "x" * 32, "DISPATCHER_API_TOKEN": "y" * 32, **agent}
    service = yaml.safe_load(COMPOSE.read_text())["services"]["dispatcher"]
    mounted = {there: COMPOSE.parent / here for here, there, *_ in (one.split(":") for one in service["volumes"])}
    variables = {name: given(value, environment) for name, value in service["environment"].items()}

    config = load(mounted[variables["DISPATCHER_CONFIG"]], variables)

    assert [rule.name for rule in config.rules] == asked
    assert config.workers == ("http://livekit:8081",), "the agent is in LiveKit's network"
    assert config.warnings == ()
    assert config.api_token is not None
    assert config.ledger is not None


def test_what_is_tried_of_compose_is_of_the_images_versions() -> None:
    """Where a program can be had in any version, it is the image's that `make e2e` starts in its place."""
    images = {name: one.get("image", "") for name, one in yaml.safe_load(COMPOSE.read_text())["services"].items()}

    assert images["livekit"] == f"livekit/livekit-server:{VERSION}"
    assert images["alertmanager"] == f"prom/alertmanager:{MODULES['alertmanager'].partition('@')[2]}"


def test_the_agent_of_compose_reaches_the_media() -> None:
    """LiveKit names 127.0.0.1 to everybody, and that is LiveKit in its own network alone."""
    agent = yaml.safe_load(COMPOSE.read_text())["services"]["agent"]
    media = yaml.safe_load((COMPOSE.parent / "livekit.yaml").read_text())["rtc"]["node_ip"]

    assert agent["network_mode"] == "service:livekit"
    assert agent["environment"]["LIVEKIT_URL"] == f"ws://{media}:7880"


def test_the_agent_of_compose_is_the_one_that_is_asked_for() -> None:
    """By its name, in the locked version of the SDK."""
    name = re.search(r'^NAME = "(.+)"', (ROOT / "examples/agent/agent.py").read_text(), re.MULTILINE)
    dockerfile = (ROOT / "examples/agent/Dockerfile").read_text()
    installed = re.search(r"livekit-agents==\S+", dockerfile)

    assert name
    assert installed
    for file in ("deploy/compose/rules.yaml", "examples/rules.yaml"):
        assert ROOT / file in repository_files(), "a clone lacks it"
        [rule] = load_offline(ROOT / file, {}).rules
        assert rule.policy.targets == (Target(name[1]),)
    assert f"\n{installed[0]} " in (ROOT / "examples/requirements.lock").read_text()
    assert list(copied(dockerfile)) == ["agent.py"]


def test_the_agent_in_node_is_the_same_and_locked_to_the_byte() -> None:
    """By the same name, in one version of the SDK, and each package that comes with it has its hash."""
    folder = ROOT / "examples/agent/node"
    python, node = (path.read_text() for path in (ROOT / "examples/agent/agent.py", folder / "agent.mjs"))
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]

    assert f"const NAME = '{re.findall(r'^NAME = .(.+).  #', python, re.MULTILINE)[0]}';" in node
    assert packages[""]["dependencies"] == wanted
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert [name for name, one in packages.items() if name and "integrity" not in one] == []


def test_running_installs_what_running_needs() -> None:
    """`make run` and `make demo` install the image's packages, and no tools of developers."""
    makefile = (ROOT / "Makefile").read_text()
    installs = makefile.partition("\n$(INSTALLED_RUN): ")[2].partition("\n\n")[0]

    assert re.findall(r"-r (\S+)", installs) == ["deploy/requirements.lock"]
    assert all(f"\n{target}: $(INSTALLED_RUN) " in makefile for target in ("run", "demo"))


def test_what_the_readme_exports_and_the_sample_are_a_configuration(tmp_path: Path) -> None:
    """As somebody copies them: one agent by the environment, or the sample's rules in its stead."""
    readme = (ROOT / "README.md").read_text()
    values = {"LIVEKIT_URL": "wss://livekit.example", "DISPATCHER_AGENT": "greeter"}
    exported = re.findall(r"(\w+)=\S", " ".join(re.findall(r"^ +export (.*)$", readme, re.MULTILINE)))
    environment = {name: values.get(name, "x" * 32) for name in exported}
    (tmp_path / "dispatcher.yaml").write_text((ROOT / "deploy/dispatcher.sample.yaml").read_text())

    alone = load(None, environment)
    ruled = load(tmp_path / "dispatcher.yaml", {**environment, "DISPATCHER_AGENT": ""})

    assert exported == [
        *("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "DISPATCHER_AGENT", "DISPATCHER_API_TOKEN")
    ]
    assert (alone.warnings, ruled.warnings) == ((), ())
    assert alone.api_token is not None
    assert "`dispatcher.yaml` instead of `DISPATCHER_AGENT`" in readme


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
