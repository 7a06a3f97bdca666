"""`python -m tests.real.install [VERSION…]`: livekit-servers for the tests are in `.tools/`, each built once by Go.

Without arguments it is the one that most tests run on. Minutes each, some of them the module's own downloads.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

VERSION: Final = "v1.13.5"  # the one that the recorded webhooks and measured times come from
OLDER: Final = ("v1.9.11", "v1.11.0")  # that can be had as modules, too; newer than 1.13.5 replace some of theirs
MODULE: Final = "github.com/livekit/livekit-server/cmd/server"
TOOLS: Final = Path(__file__).parents[2] / ".tools"
BINARY: Final = TOOLS / "livekit-server"


def binary(version: str) -> Path:
    """Where the server of that version is, or would be."""
    return BINARY if version == VERSION else TOOLS / f"livekit-server-{version}"


def install(version: str = VERSION) -> None:
    """Its binary is of that version. Raises SystemExit with what is missing."""
    target = binary(version)
    if target.exists() and version.removeprefix("v") in _version(target):
        return
    go = shutil.which("go")
    if go is None:
        raise SystemExit(f"go is needed to build livekit-server {version} (https://go.dev/dl/)")
    TOOLS.mkdir(exist_ok=True)
    module = f"{MODULE}@{version}"
    built = subprocess.run([go, "install", module], env={**os.environ, "GOBIN": str(TOOLS)}, check=False)
    if built.returncode:
        raise SystemExit(f"go install {module} failed")
    (TOOLS / "server").replace(target)


def _version(target: Path) -> str:
    return subprocess.run([target, "--version"], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    for chosen in sys.argv[1:] or [VERSION]:
        install(chosen)
        sys.stdout.write(f"{binary(chosen)} is {chosen}\n")
