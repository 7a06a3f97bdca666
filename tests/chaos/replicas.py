"""Replicas of the service: real `dispatcher serve` processes, killed and started again at the same address."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.real.child import Child
from tests.real.server import KEY, SECRET, free_port

START_S: Final = 30.0  # until a replica is ready; a second alone, several beside others
STOP_S: Final = 12.0  # it drains for up to 10 s

Series = Mapping[str, float]


class Replica:
    """One process at one address. Start it from the main thread (see `leash`)."""

    def __init__(
        self, directory: Path, name: str, environment: Mapping[str, str], *module: str, options: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.kills = 0
        self.log = directory / f"{name}.log"
        self._module = module or ("dispatcher",)
        self._options = options
        self._environment = {
            **environment,
            "DISPATCHER_HOST": "127.0.0.1",
            "DISPATCHER_PORT": str(self.port),
        }
        self.process = self._started()

    def kill(self) -> None:
        """It is gone, in the middle of whatever it was doing."""
        self.process.signal(Signals.SIGKILL)
        self.process.stop()
        self.kills += 1

    def stop(self) -> None:
        """It was told to stop, and has."""
        self.process.stop(STOP_S)

    def start(self) -> None:
        """It starts again."""
        self.process = self._started()

    async def ready(self, within: float = START_S) -> None:
        """It answers /readyz with 200."""
        try:
            async with asyncio.timeout(within), ClientSession() as http:
                while await _status(http, f"{self.url}/readyz") != 200:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise TimeoutError(f"{self.name} is not ready:\n{self.process.output()[-3000:]}") from None

    def said(self) -> list[dict[str, Any]]:
        """The lines it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def says(self, action: str, within: float = START_S) -> None:
        """It has logged such a line."""
        async with asyncio.timeout(within):
            while all(line["action"] != action for line in self.said()):
                await asyncio.sleep(0.05)

    async def series(self) -> Series:
        """Its metrics as Prometheus sees them."""
        async with ClientSession(timeout=ClientTimeout(total=5)) as http, http.get(f"{self.url}/metrics") as answer:
            text = await answer.text()
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {series: float(value) for series, value in samples}

    def memory(self) -> int:
        """Its resident memory in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def _started(self) -> Child:
        command = [sys.executable, "-m", *self._module, "serve", "--log", "json", *self._options]
        return Child(command, self.log, environment=self._environment)


def settings(directory: Path, livekit: str, redis: str, *, sweep: str, instance: str = "default") -> dict[str, str]:
    """The environment of a replica: whose webhooks it takes, where its ledger is, and one rule for everybody."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "dispatcher.yaml"
    rules = [{"name": "everyone", "agent": "greeter"}]
    file.write_text(json.dumps({"rules": rules, "sweep": {"every": sweep}, "instance": instance}))
    return {
        "LIVEKIT_URL": livekit,
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "REDIS_URL": redis,
        "DISPATCHER_CONFIG": str(file),
    }


async def all_ready(replicas: Sequence[Replica]) -> None:
    """Each of them is ready."""
    await asyncio.gather(*(replica.ready() for replica in replicas))


async def _status(http: ClientSession, url: str) -> int:
    try:
        async with http.get(url) as answer:
            return answer.status
    except ClientError:
        return 0
