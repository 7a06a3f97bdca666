"""Who is compared: each a process of its own, on a core of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import heartbeat
from bench.field.load import KEY, SECRET
from tests.chaos.replicas import settings
from tests.real.child import Child
from tests.real.redis_servers import alone

HANDLERS: Final = Path(__file__).parent / "handlers"
SERVER_CORE: Final = min(os.sched_getaffinity(0))
LOAD_CORE: Final = max(os.sched_getaffinity(0))  # of whoever measures, and of Valkey
STAGE: Final = "stage-"  # so begin the names of rooms that are to have no agent
EVERYSEC: Final = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
START_S: Final = 30.0
TICKS: Final = os.sysconf("SC_CLK_TCK")

AIOHTTP: Final = "aiohttp + livekit-api"
FASTAPI: Final = "FastAPI + livekit-api"
EXPRESS: Final = "express + livekit-server-sdk"
MEMORY: Final = "livekit-dispatcher, memory"
VALKEY: Final = "livekit-dispatcher, Valkey"
ALL: Final = (AIOHTTP, FASTAPI, EXPRESS, MEMORY, VALKEY)

_SCRIPTS: Final = {
    AIOHTTP: (sys.executable, "aiohttp_handler.py"),
    FASTAPI: (sys.executable, "fastapi_handler.py"),
    EXPRESS: ("node", "express_handler.mjs"),
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A running process."""

    name: str
    port: int
    process: Child
    beats: Path | None  # ours alone: where it writes how late its event loop was

    def longest_pause(self, since: float) -> float | None:
        """Ms that its event loop was late at most, since that instant of time.monotonic; None: it does not tell."""
        return heartbeat.longest(self.beats, since) if self.beats else None

    def cpu(self) -> float:
        """Seconds of CPU that it has used, in all of its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> int:
        """MB that are resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) // 1024


@contextmanager
def running(name: str, directory: Path, port: int, livekit: str) -> Iterator[Contender]:
    """It runs, and is about to listen at the port."""
    directory.mkdir(parents=True)
    with ExitStack() as stack:
        environment: dict[str, str] = {}
        beats = None
        if name in _SCRIPTS:
            program, script = _SCRIPTS[name]
            command = [program, str(HANDLERS / script), str(port), livekit, KEY, SECRET]
        else:
            redis = stack.enter_context(alone(directory / "valkey", *EVERYSEC)).url if name == VALKEY else ""
            environment = settings(directory, livekit, redis, sweep="30s")
            like_others(Path(environment["DISPATCHER_CONFIG"]))
            environment |= {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET, "DISPATCHER_PORT": str(port)}
            environment |= {"DISPATCHER_HOST": "127.0.0.1"}
            beats = directory / "beats"
            command = [sys.executable, "-m", "bench.heartbeat", str(beats), "serve", "--log", "json"]
        process = stack.enter_context(Child(command, directory / "log", environment=environment))
        os.sched_setaffinity(process.pid, {SERVER_CORE})
        yield Contender(name, port, process, beats)


def like_others(file: Path) -> None:
    """As the handlers do: a STAGE gets no agent; and creates not paced, else 50 a second wait for each other."""
    config = json.loads(file.read_text())
    rules = [rule | {"when": f"!room.name.startsWith('{STAGE}')"} for rule in config["rules"]]
    file.write_text(json.dumps(config | {"create_rate": None, "rules": rules}))


def unavailable(name: str) -> str:
    """Why it cannot run here; empty: it can."""
    if name != EXPRESS:
        return ""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "no Node here"
    if not (HANDLERS / "node_modules").exists():
        done = subprocess.run(["npm", "ci", "--silent"], cwd=HANDLERS, capture_output=True, text=True, check=False)  # noqa: S607 whichever is in PATH
        return done.stderr.strip()
    return ""
