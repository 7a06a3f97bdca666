"""The quick starts, as somebody follows them: each step's command is typed in a shell, at ports of the test's own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.real.child import Child
from tests.real.server import free_port

ROOT: Final = Path(__file__).parents[2]
OWN: Final = "in a terminal of its own"
PORTS: Final = ("7880", "7881", "7882", "8080")
STEPS_MAX: Final = 10
ASKED_S: Final = 120.0
SLOWEST_S: Final = 150.0  # two workers' starts on a busy machine


def steps(page: str) -> list[tuple[str, str]]:
    """Each step's text and its command; "" where it has none."""
    found = re.findall(r"^\d+\. (.*?)(?=^\d+\. |^\S|\Z)", (ROOT / "docs" / page).read_text(), re.DOTALL | re.MULTILINE)
    commands = [re.search(r"   ```sh\n(.*?)   ```", step, re.DOTALL) for step in found]
    return [
        (step, re.sub(r"^   ", "", command[1], flags=re.MULTILINE) if command else "")
        for step, command in zip(found, commands, strict=True)
    ]


class Shell:
    """Types commands; whatever it has started ends with the stack. `replaced` is written otherwise than on the page."""

    def __init__(
        self, folder: Path, stack: ExitStack, replaced: Mapping[str, str] = {}, environment: Mapping[str, str] = {}
    ) -> None:
        self.ports = {port: str(free_port()) for port in PORTS}
        self._folder, self._stack = folder, stack
        self._replaced = {**replaced, **self.ports, ".try/quick": str(folder / "quick")}
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "DISPATCHER_"))},
            "PATH": f"{ROOT / '.tools'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DISPATCHER_HOST": "127.0.0.1",
            "DISPATCHER_PORT": self.ports["8080"],
            "AGENT_PORT": str(free_port()),
            **environment,
        }

    def typed(self, command: str) -> str:
        """What it prints, and it must succeed."""
        done = subprocess.run(
            self._bash(command),
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def typed_until(self, command: str, said: str, within: float = ASKED_S) -> str:
        """What it prints, typed again until it says this, for so many seconds."""
        end = time.monotonic() + within
        while said not in (printed := self.typed(command)):
            assert time.monotonic() < end, f"{command}\n{printed}"
        return printed

    def started(self, command: str, ready: str) -> Child:
        """It runs, and has written what shows that it is ready."""
        log = self._folder / f"{free_port()}.log"
        child = self._stack.enter_context(Child(self._bash(command), log, environment=self._environment))
        child.wait_until(lambda: ready in child.output(), ready, within=SLOWEST_S)
        return child

    def _bash(self, command: str) -> list[str]:
        for written, instead in self._replaced.items():
            command = command.replace(written, instead)
        return ["bash", "-euc", command]
