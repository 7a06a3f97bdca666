"""`python -m tests.real.node`: what the sample agent in Node needs is installed beside it, as its lock file says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

AGENT: Final = Path(__file__).parents[2] / "examples" / "agent" / "node"
INSTALLED: Final = AGENT / "node_modules" / ".package-lock.json"  # npm writes it last


def install() -> None:
    """It is there where npm is, and in CI; elsewhere nothing is. Raises SystemExit with what failed."""
    if there():
        return
    if shutil.which("npm") is None:
        if "CI" in os.environ:
            raise SystemExit("node and npm are needed for the sample agent in Node (https://nodejs.org/)")
        return
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--fetch-retries=5"], cwd=AGENT, check=False)  # noqa: S607 - whichever is in PATH
    if done.returncode:
        raise SystemExit("npm ci failed")


def there() -> bool:
    """Whether it is installed, and of this lock file."""
    lock = AGENT / "package-lock.json"
    return INSTALLED.exists() and INSTALLED.stat().st_mtime >= lock.stat().st_mtime


if __name__ == "__main__":
    install()
    sys.stdout.write(f"{AGENT if there() else 'no npm here: the test of the sample agent in Node is skipped'}\n")
