"""`python -m release.unit`: systemd takes the unit without a word, and finds it as closed as it may be."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from release.distributions import ROOT

UNIT: Final = ROOT / "deploy" / "systemd" / "livekit-dispatcher.service"
PROGRAM: Final = "/opt/livekit-dispatcher/bin/dispatcher"
EXPOSED_MAX: Final = 2.0  # of 10, as systemd-analyze counts it: the network is left, and what its own log needs


def main() -> int:
    """Print what systemd says. Exit code 1 where it complains."""
    with TemporaryDirectory() as folder:
        unit = Path(folder) / UNIT.name
        unit.write_text(UNIT.read_text().replace(PROGRAM, sys.executable))  # which must exist to be verified
        said = _systemd("verify", unit)
        exposed = _systemd("security", "--offline=true", f"--threshold={EXPOSED_MAX * 10:.0f}", "--no-pager", unit)
    problems = [line for line in said.stderr.splitlines() if unit.name in line]
    sys.stdout.write("".join(f"{line}\n" for line in [*problems, exposed.stdout.strip().splitlines()[-1]]))
    return 1 if problems or exposed.returncode else 0


def _systemd(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *command], capture_output=True, text=True, check=False)  # noqa: S607


if __name__ == "__main__":
    sys.exit(main())
