"""`python -m tests.real.install`: the livekit-server for the tests is in `.tools/`, built once from its Go module."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

VERSION: Final = "v1.13.5"  # the one that the recorded webhooks and measured times come from
MODULE: Final = f"github.com/livekit/livekit-server/cmd/server@{VERSION}"
TOOLS: Final = Path(__file__).parents[2] / ".tools"
BINARY: Final = TOOLS / "livekit-server"


def install() -> None:
    """BINARY is VERSION. Raises SystemExit with what is missing."""
    if BINARY.exists() and VERSION.removeprefix("v") in _version():
        return
    go = shutil.which("go")
    if go is None:
        raise SystemExit(f"go is needed to build livekit-server {VERSION} (https://go.dev/dl/)")
    TOOLS.mkdir(exist_ok=True)
    built = subprocess.run([go, "install", MODULE], env={**os.environ, "GOBIN": str(TOOLS)}, check=False)
    if built.returncode:
        raise SystemExit(f"go install {MODULE} failed")
    (TOOLS / "server").replace(BINARY)


def _version() -> str:
    return subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    install()
    sys.stdout.write(f"{BINARY} is {VERSION}\n")
