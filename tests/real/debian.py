"""`python -m tests.real.debian [redis|chromium|prometheus|haproxy …]`: Debian's packages are in `.tools/`.

They come without root. Valkey's wheel is what most tests of the ledger run on; Redis itself, and TLS, are tested on
Debian's redis-server. The page is tested in Debian's Chromium, alerts by its Prometheus and promtool, the compose file
with its HAProxy. Without arguments it is redis alone.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.real.install import TOOLS


class Unpacked(Struct, frozen=True):
    """A program of Debian's, in a folder of its own with the libraries that this machine lacks."""

    folder: Path
    packages: tuple[str, ...]  # the first is what is wanted; the others must come with it
    path: str

    @property
    def binary(self) -> Path:
        """Where the program is, or would be."""
        return self.folder / self.path

    def environment(self) -> Mapping[str, str]:
        """What the program needs to find the libraries that came with it."""
        found = [*self.folder.glob("usr/lib/*-linux-*"), *self.folder.glob("usr/lib/*-linux-*/pulseaudio")]
        return {"LD_LIBRARY_PATH": ":".join(str(one) for one in found)}


REDIS: Final = Unpacked(TOOLS / "redis", ("redis-server", "redis-tools"), "usr/bin/redis-server")
CHROMIUM: Final = Unpacked(
    TOOLS / "chromium", ("chromium-headless-shell", "chromium-common"), "usr/lib/chromium/chromium-headless-shell"
)
PROMETHEUS: Final = Unpacked(TOOLS / "prometheus", ("prometheus",), "usr/bin/prometheus")
HAPROXY: Final = Unpacked(TOOLS / "haproxy", ("haproxy",), "usr/sbin/haproxy")
PROGRAMS: Final = {one.folder.name: one for one in (REDIS, CHROMIUM, PROMETHEUS, HAPROXY)}


def install(program: Unpacked) -> None:
    """Its binary is there where apt is, and in CI; elsewhere nothing is. Raises SystemExit with what failed."""
    if program.binary.exists():
        return
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        if "CI" in os.environ:
            raise SystemExit(f"apt-get and dpkg are needed for Debian's {program.packages[0]}")
        return
    folder = program.folder
    apt = folder / "apt"
    for one in ("lists/partial", "cache/archives/partial"):
        (apt / one).mkdir(parents=True, exist_ok=True)
    options = [f"Dir::State::lists={apt}/lists", f"Dir::Cache={apt}/cache", "Debug::NoLocking=1"]
    options.append("APT::Sandbox::User=root")  # else root's apt warns that it cannot step down
    get = ["apt-get", "-qq", *(f"-o{option}" for option in options)]
    _run([*get, "update"], folder)
    planned = _run([*get, "--simulate", "--no-install-recommends", "install", program.packages[0]], folder)
    missing = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
    _run([*get, "download", *(missing or program.packages)], folder)
    for package in folder.glob("*.deb"):
        _run(["dpkg", "-x", package.name, "."], folder)
        package.unlink()
    shutil.rmtree(apt)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    for name in sys.argv[1:] or ["redis"]:
        wanted = PROGRAMS[name]
        install(wanted)
        absent = f"no apt here: tests on Debian's {name} are skipped"
        sys.stdout.write(f"{wanted.binary if wanted.binary.exists() else absent}\n")
