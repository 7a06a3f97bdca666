"""A real livekit-server of its own for the tests: free loopback ports, no Redis, gone with the test."""

import json
import os
import random
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.real.child import Child
from tests.real.install import VERSION, binary

KEY: Final = "devkey"
SECRET: Final = "devsecret-devsecret-devsecret-devsecret"
LOOPBACK_ALONE: Final[Mapping[str, object]] = {  # of `rtc` in its configuration
    "interfaces": {"includes": ["lo"]},
    "ips": {"includes": ["127.0.0.1/32"]},
    "enable_loopback_candidate": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where it is, and what opens it."""

    url: str
    key: str
    secret: str
    process: Child


@contextmanager
def running_server(
    directory: Path, *, webhooks: Sequence[str] = (), port: int = 0, version: str = VERSION
) -> Iterator[Server]:
    """The server answers; its log is in the directory. `webhooks` are the URLs it tells of its events.

    A fixed `port` lets it come back where it was. Skips the test without the binary; fails it where CI is set.
    """
    program = binary(version)
    if not program.exists():
        missing(f"no {program.name}: run `python -m tests.real.install {version}`")
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    config = json.dumps(_config(port, webhooks, version))  # JSON is YAML
    environment = {"LIVEKIT_CONFIG": config}
    with Child([str(program)], directory / "livekit-server.log", environment=environment) as process:
        process.wait_until(lambda: answers(url), "livekit-server answers", within=15)
        yield Server(url=url, key=KEY, secret=SECRET, process=process)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A loopback port that nobody listens on now, and that no other test gets, of this run or of one beside it."""
    while True:
        port = next(_PORTS)
        with suppress(OSError), socket.socket(socket.AF_INET, kind) as one:
            one.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Whether somebody does there."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _ports() -> Iterator[int]:
    """Those below the ones that outgoing connections are given, in blocks that this process has for itself."""
    blocks = list(range(20_000, 32_000, 100))
    random.shuffle(blocks)
    for first in blocks:
        if _claimed(first):
            yield from range(first, first + 100)


def _claimed(block: int) -> bool:
    """Whether it is this process's, until it ends: Linux lets one socket have a name."""
    if sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0livekit-dispatcher: ports from {block}")
    except OSError:
        name.close()
        return False
    name.detach()  # and so it stays open
    return True


_PORTS: Final = _ports()


def _config(port: int, webhooks: Sequence[str], version: str) -> dict[str, object]:
    config: dict[str, object] = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "keys": {KEY: SECRET},
        "logging": {"level": "info"},
        "rtc": {
            "tcp_port": free_port(),
            "udp_port": free_port(socket.SOCK_DGRAM),
            "node_ip": "127.0.0.1",
            "use_external_ip": False,
            **LOOPBACK_ALONE,
        },
    }
    if not version.startswith("v1.9."):  # which do not know it, and ask a worker of any load
        config["agents"] = {"target_load": 1.0}  # at the default 0.7 a busy machine loses dispatches
    if webhooks:
        config["webhook"] = {"api_key": KEY, "urls": list(webhooks)}
    return config


def answers(url: str) -> bool:
    """Whether it does, with 200."""
    try:
        with urlopen(url, timeout=1) as reply:  # noqa: S310 - our own loopback URL
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False


def missing(reason: str) -> NoReturn:
    """The test is skipped, where CI is set it fails."""
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)
