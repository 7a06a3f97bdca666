"""Real livekit-agents workers, as processes; what they do with a job is told to `tests.real.agent`."""

import signal
import sys
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.real.child import Child
from tests.real.server import Server

SLOWEST_START: Final = 60.0  # seconds; 4 alone on two cores, several times that beside others


def start_worker(
    server: Server,
    directory: Path,
    agent: str,
    *,
    deployment: str = "",
    behaviour: str = "stay",
    after: float = 0.0,
    processes: int = 0,
    publisher: bool = False,
    port: int = 0,
) -> Child:
    """The worker starts; LiveKit does not know it yet: see `wait_registered`. Use it as a context, or stop it.

    Its agents are threads of the worker unless it has idle `processes`; only those can be killed without it.
    """
    options = ["--behaviour", behaviour, "--after", str(after), "--processes", str(processes), "--port", str(port)]
    if publisher:
        options.append("--publisher")
    return Child(
        [sys.executable, "-m", "tests.real.agent", agent, *options],
        directory / f"worker-{agent}-{uuid4().hex[:8]}.log",
        environment={
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.key,
            "LIVEKIT_API_SECRET": server.secret,
            "LIVEKIT_AGENT_DEPLOYMENT": deployment,
        },
        when_orphaned=signal.SIGTERM,  # it ends its agents then; killed, it would leave them in their rooms
    )


def wait_registered(*workers: Child) -> None:
    """LiveKit knows each of these workers. Started together they take little longer than one."""
    for worker in workers:
        worker.wait_until(partial(_says_registered, worker), "a worker registers", SLOWEST_START)


def _says_registered(worker: Child) -> bool:
    return "registered\n" in worker.output()
