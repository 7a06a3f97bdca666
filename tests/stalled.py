"""`python -m tests.stalled [PYTEST'S ARGUMENTS]`: the tests on a machine that stops whoever runs, again and again.

A shared machine takes the processor away for a second, and a test that took that for LiveKit's silence fails there and
nowhere else. Each of pytest's workers is stopped (SIGSTOP) for STOP_S, EVERY_S apart at random.
"""

import signal
import subprocess
import sys
import time
from random import SystemRandom
from typing import Final

import psutil

CHANCE: Final = SystemRandom()
STOP_S: Final = (0.3, 1.2)
EVERY_S: Final = (0.5, 4.0)


def main(arguments: list[str]) -> int:
    """Pytest's own exit code."""
    tests = subprocess.Popen([sys.executable, "-m", "pytest", *arguments])
    due: dict[int, float] = {}
    stopped: dict[int, float] = {}
    while tests.poll() is None:
        now = time.monotonic()
        for worker in psutil.Process(tests.pid).children():
            pid = worker.pid
            if pid in stopped:
                if now >= stopped[pid]:
                    worker.send_signal(signal.SIGCONT)
                    del stopped[pid]
                    due[pid] = now + CHANCE.uniform(*EVERY_S)
            elif now >= due.setdefault(pid, now + CHANCE.uniform(*EVERY_S)):
                worker.send_signal(signal.SIGSTOP)
                stopped[pid] = now + CHANCE.uniform(*STOP_S)
        time.sleep(0.02)
    return tests.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
