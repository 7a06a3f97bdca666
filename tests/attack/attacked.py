"""The service as a process of its own, and strangers: what they send, and what it costs the service."""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

from dispatcher.livekit.webhook import sign
from dispatcher.testing import DEV_KEYS
from tests.real.child import Child
from tests.real.server import free_port

KEY, SECRET = next(iter(DEV_KEYS.items()))
TOKEN: Final = "an-operators-token"
NOWHERE: Final = "http://127.0.0.1:9"  # nothing listens there: webhooks are recorded all the same
START_S: Final = 30.0
MIB: Final = 1 << 20

_events = count(1)


class Attacked:
    """The running service, as its machine and LiveKit see it."""

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port

    def memory(self) -> int:
        """The most bytes it had resident since `forget_memory`."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

    def forget_memory(self) -> int:
        """The peak begins anew, at what is returned."""
        Path(f"/proc/{self.child.pid}/clear_refs").write_text("5")
        return self.memory()

    def processor(self) -> float:
        """Seconds of processor time it has had."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def files(self) -> int:
        """How many it has open."""
        return len(list(Path(f"/proc/{self.child.pid}/fd").iterdir()))

    def lines(self, *actions: str) -> list[dict[str, Any]]:
        """What it has logged; of these actions, if any are named."""
        read = [json.loads(line) for line in self.child.output().splitlines() if line.startswith("{")]
        return [line for line in read if not actions or line["action"] in actions]

    def metric(self, series: str) -> float:
        """A sample, as a scraper sees it; 0 where there is none."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{series} ")), 0.0)

    async def webhook(self, padding: int = 0) -> tuple[int, float]:
        """LiveKit tells that somebody joined a new room: the answer's status, 0 for none, and the seconds to it."""
        body = joined(padding)
        token = sign(body, key=KEY, secret=SECRET, now=time.time_ns() // 1_000_000)
        return await asyncio.to_thread(self._told, request("/webhook", f"Authorization: {token}", body=body))

    def _told(self, sent: bytes, within: float = 10.0) -> tuple[int, float]:
        """As `asked`, from a thread of its own: LiveKit does not wait for the strangers, who share a loop."""
        began = time.perf_counter()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=within) as connection:
                connection.sendall(sent)
                words = connection.makefile("rb").readline().split()
        except OSError:
            words = []
        return int(words[1]) if len(words) > 1 else 0, time.perf_counter() - began

    async def asked(self, sent: bytes, within: float = 10.0) -> tuple[int, float]:
        """The status of the answer to what is sent over a connection of its own, 0 for none, and the seconds to it."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(within), self.connected() as (reader, writer):
                writer.write(sent)
                answer = await reader.readline()
        except (OSError, TimeoutError):
            answer = b""
        words = answer.split()
        return int(words[1]) if len(words) > 1 else 0, time.perf_counter() - began

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection, at the end cut off."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    def slowest_probe(self, seconds: float) -> float:
        """How long the slowest of the probes took that were sent, one after the other, in so many seconds."""
        end, slowest = time.monotonic() + seconds, 0.0
        while time.monotonic() < end:
            began = time.perf_counter()
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=10) as answer:
                assert answer.status == 200
            slowest = max(slowest, time.perf_counter() - began)
            time.sleep(0.05)
        return slowest


@contextmanager
def attacked(folder: Path, *, files: int = 1_024) -> Iterator[Attacked]:
    """The service runs, and may have so many files open; at the end it is gone."""
    port = free_port()
    environment = {
        "LIVEKIT_URL": NOWHERE,
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "DISPATCHER_AGENT": "greeter",
        "DISPATCHER_HOST": "127.0.0.1",
        "DISPATCHER_PORT": str(port),
        "DISPATCHER_API_TOKEN": TOKEN,
    }
    serve = [sys.executable, "-m", "dispatcher", "serve", "--log", "json"]
    command = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh", *serve]
    with Child(command, folder / f"{port}.log", environment=environment) as child:
        child.wait_until(lambda: _is_ready(port), "the service", START_S)
        yield Attacked(child, port)


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
            return True
    except (URLError, OSError):
        return False


def joined(padding: int = 0) -> bytes:
    """The body of a webhook: somebody has joined a room that is new. With so many bytes that mean nothing."""
    number = next(_events)
    room, person = {"sid": f"RM_{number}", "name": f"room-{number}"}, {"sid": f"PA_{number}", "identity": "alice"}
    event = {"event": "participant_joined", "id": f"EV_{number}", "createdAt": str(int(time.time()))}
    return json.dumps({**event, "room": room, "participant": person, "padding": "x" * padding}).encode()


def request(path: str, *headers: str | bytes, body: bytes = b"", method: str = "") -> bytes:
    """A request, byte for byte. With a body it is a POST that says how long that is."""
    lines: list[str | bytes] = [f"{method or ('POST' if body else 'GET')} {path} HTTP/1.1", "Host: x", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return b"\r\n".join([line if isinstance(line, bytes) else line.encode() for line in (*lines, "", "")]) + body
