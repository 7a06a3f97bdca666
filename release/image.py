"""`python -m release.image`: the image is built without Docker, and run as in production. Needs root and buildah.

What runs is a read-only copy, as the image's own user: its health check passes, it takes a signed webhook, and ends
with 0 at SIGTERM. Where no registry of images is reached, a stand-in of Debian's own Python gets the base image's name.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from release.distributions import ROOT
from release.smoke import ENVIRONMENT, LOCK, READY_WITHIN_S
from release.version import version
from tests.real.server import free_port

STORE: Final = ROOT / ".tools" / "images"
BUILDAH: Final = ("buildah", "--storage-driver", "vfs", "--root", STORE / "root", "--runroot", STORE / "run")
IMAGE: Final = "localhost/livekit-dispatcher"
PULLED_MAX_MB: Final = 200  # compressed, which is what a node pulls
STAND_IN: Final = "python3-minimal,python3-venv,python-is-python3,ca-certificates,tzdata"
CERTIFICATES: Final = Path("/etc/ssl/certs")

Command = Sequence[str | Path]


def main() -> int:
    """Build it, measure it, run it, and print what came of each."""
    if os.geteuid() or not shutil.which("buildah"):
        raise SystemExit("root and buildah are needed: apt-get install buildah mmdebstrap")
    base = re.findall(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _say(f"base: {_base(base, folder)}")
        _build(folder)
        _say(f"built: {_size(folder)}")
        described = json.loads(_buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]
        with _mounted_read_only(folder / "root") as root:
            try_out(root, described)
    return 0


def try_out(root: Path, image: Mapping[str, Any]) -> None:
    """Run what the image says, by its user, with its variables: from its start to its end. Raises SystemExit."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    variables = dict(one.split("=", 1) for one in image["Env"]) | {
        **{name: value for name, value in ENVIRONMENT.items() if name != "PATH"},
        "DISPATCHER_HOST": "127.0.0.1",
        "DISPATCHER_PORT": str(port),
    }
    user = f"--userspec={image['User']}:{image['User']}"
    inside: Command = ["chroot", user, root, "env", "-i", "-C", image["WorkingDir"], *_assigned(variables)]
    if _code([*inside, "sh", "-c", "touch /x || touch /tmp/x || touch /opt/venv/x"]) == 0:
        raise SystemExit("the root file system can be written")
    if strangers := _packages(inside) - {*_locked(), f"livekit-dispatcher=={version()}"}:
        raise SystemExit(f"the image has what no lock file names: {', '.join(sorted(strangers))}")
    health = image["Healthcheck"]["Test"][1:]
    process = subprocess.Popen([*inside, *image["Entrypoint"], *image["Cmd"]], stdout=subprocess.DEVNULL)
    try:
        started = time.monotonic()
        while _code([*inside, *health]):
            if process.poll() is not None or time.monotonic() > started + READY_WITHIN_S:
                raise SystemExit(f"the health check fails after {READY_WITHIN_S} s")
        took, uid = time.monotonic() - started, Path(f"/proc/{process.pid}").stat().st_uid
        _say(f"{' '.join(health)}: 0, {took:.1f} s after the start, as uid {uid}, with its root read-only")
        _say(_output([*inside, "dispatcher", "send-test", "--url", url]).strip())
        process.send_signal(signal.SIGTERM)
        if code := process.wait(READY_WITHIN_S):
            raise SystemExit(f"exit code {code} after SIGTERM")
        _say("SIGTERM: exit code 0")
    finally:
        process.kill()
        process.wait()


def _base(name: str, folder: Path) -> str:
    """The base image is in the store: as it was, pulled, or made."""
    known = f"docker.io/library/{name}"
    if _code([*BUILDAH, "inspect", "--type", "image", known]) == 0:
        return f"{name}, as it was"
    if _code([*BUILDAH, "pull", "--quiet", known]) == 0:
        return f"{name}, pulled"
    archive = folder / "base.tar"
    _output(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={STAND_IN}", "bookworm", archive])
    container = _buildah("from", "scratch").strip()
    _buildah("add", container, str(archive), "/")
    _buildah("commit", "--quiet", "--rm", container, known)
    return f"a stand-in for {name}, of Debian's own Python"


def _build(folder: Path) -> None:
    """The image, by its Dockerfile. pip trusts what this machine trusts."""
    pip = folder / "pip.conf"
    pip.write_text(f"[global]\ncert = {CERTIFICATES / 'ca-certificates.crt'}\n")
    commit = _output(["git", "-C", ROOT, "rev-parse", "HEAD"]).strip()
    mounts = [f"--volume={CERTIFICATES}:{CERTIFICATES}:ro", f"--volume={pip}:/etc/pip.conf:ro"]
    arguments = [f"--build-arg=VERSION={version()}", f"--build-arg=REVISION={commit}"]
    options = ["--isolation=chroot", "--format=docker", "--layers=false", "--quiet", f"--tag={IMAGE}"]
    _buildah("build", *options, *mounts, *arguments, str(ROOT))


def _size(folder: Path) -> str:
    """What a node pulls, and what that is on its disk. Raises SystemExit: too much."""
    _buildah("push", "--quiet", IMAGE, f"dir:{folder / 'pushed'}")
    pulled = sum(path.stat().st_size for path in (folder / "pushed").iterdir()) / 1e6
    if pulled > PULLED_MAX_MB:
        raise SystemExit(f"{pulled:.0f} MB to pull, {PULLED_MAX_MB} at most")
    shutil.rmtree(folder / "pushed")
    return f"{pulled:.0f} MB to pull"


@contextmanager
def _mounted_read_only(target: Path) -> Iterator[Path]:
    container = _buildah("from", IMAGE).strip()
    target.mkdir()
    try:
        source = _buildah("mount", container).strip()
        _output(["mount", "--bind", source, target])
        try:
            _output(["mount", "-o", "remount,ro,bind", target])
            yield target
        finally:
            _output(["umount", target])
    finally:
        _buildah("rm", container)


def _packages(inside: Command) -> set[str]:
    """What is installed beside the service, and the service, as `name==version`."""
    asks = "from importlib.metadata import distributions as d; print(*{f'{o.name.lower()}=={o.version}' for o in d()})"
    return {one.replace("_", "-") for one in _output([*inside, "python", "-c", asks]).split()}


def _locked() -> set[str]:
    return {
        f"{name.lower()}=={rest}" for name, rest in re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(), re.MULTILINE)
    }


def _assigned(variables: Mapping[str, str]) -> Sequence[str]:
    return [f"{name}={value}" for name, value in variables.items()]


def _buildah(*command: str) -> str:
    return _output([*BUILDAH, *command])


def _output(command: Command) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return done.stdout


def _code(command: Command) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
