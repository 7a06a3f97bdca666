"""`python -m release.smoke [VERSION…]`: the wheel in `dist/` works in an empty venv of each supported Python.

Nothing of the source tree is there: locked packages and the wheel alone, in a folder of its own. A Python that is not
on this machine is told; one that was named must be there.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from release.distributions import DIST, ROOT
from tests.real.server import free_port
from tests.real.valkey import running_valkey

LOCK: Final = ROOT / "deploy" / "requirements.lock"
CLASSIFIER: Final = "Programming Language :: Python :: 3."
UV: Final = str(Path(sys.executable).with_name("uv"))
READY_WITHIN_S: Final = 20.0
ENVIRONMENT: Final[Mapping[str, str]] = {
    "PATH": os.environ["PATH"],
    "LIVEKIT_URL": "http://127.0.0.1:9",
    "LIVEKIT_API_KEY": "devkey",
    "LIVEKIT_API_SECRET": "devsecret-devsecret-devsecret-devsecret",
    "DISPATCHER_AGENT": "greeter",
}


def main(asked: Sequence[str]) -> int:
    """Try the wheel on each; exit code 1 if one that was named, or all of them, could not be had."""
    tried = 0
    for version in asked or supported():
        python = interpreter(version)
        if python is None:
            sys.stdout.write(f"Python {version}: not on this machine\n")
            continue
        started = time.monotonic()
        with TemporaryDirectory() as folder:
            smoke(python, Path(folder))
        sys.stdout.write(f"Python {version}: works ({time.monotonic() - started:.0f} s)\n")
        tried += 1
    return 0 if tried and (not asked or tried == len(asked)) else 1


def supported() -> Sequence[str]:
    """The versions that pyproject.toml names, such as 3.12."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [f"3.{one.removeprefix(CLASSIFIER)}" for one in project["classifiers"] if one.startswith(CLASSIFIER)]


def interpreter(version: str) -> str | None:
    """A Python of that version that runs: the one that made our venv, by its name in PATH, or of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    ours, named = shutil.which(Path(sys.base_prefix, "bin", f"python{version}")), shutil.which(f"python{version}")
    for candidate in (ours, named, *sorted(map(str, pyenv.glob(f"{version}.*/bin/python")))):
        if candidate and subprocess.run([candidate, "-V"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def empty_venv(python: str, folder: Path) -> list[str | Path]:
    """A venv that has what the service needs, as it is locked; the command that installs more into it."""
    _run([UV, "venv", "-q", "--no-project", "--python", python, folder / "venv"], folder, os.environ)
    install: list[str | Path] = [UV, "pip", "install", "-q", "--python", folder / "venv" / "bin" / "python"]
    _run([*install, "--require-hashes", "-r", LOCK], folder, os.environ)
    return install


def installed(python: str, folder: Path, *more: str) -> Path:
    """The programs of such a venv, the wheel's among them, and `more` packages in the versions that are locked."""
    [wheel] = DIST.glob("*.whl")
    install = empty_venv(python, folder)
    _run([*install, "--no-deps", "--no-index", wheel], folder, os.environ)
    if more:
        _run([*install, "-c", ROOT / "requirements.lock", *more], folder, os.environ)
    return folder / "venv" / "bin"


def smoke(python: str, folder: Path) -> None:
    """Its fixtures serve a user's tests, and it serves from Redis, whose scripts are files in the wheel."""
    programs = installed(python, folder, "pytest")
    [wheel] = DIST.glob("*.whl")
    said = _run([programs / "dispatcher", "--version"], folder).strip()
    if said != wheel.name.split("-")[1]:
        raise SystemExit(f"--version says {said}, and the wheel is {wheel.name}")
    where = _run([programs / "python", "-c", "import dispatcher; print(*dispatcher.__path__)"], folder)
    if not Path(where.strip()).is_relative_to(folder):
        raise SystemExit(f"the package was imported from {where}")
    shutil.copytree(ROOT / "examples" / "testing", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    _run([programs / "pytest", "-q", "-p", "no:cacheprovider", "tests"], folder)
    with running_valkey(folder) as valkey, serving(programs, folder, REDIS_URL=valkey.url) as (process, port):
        _run([programs / "dispatcher", "send-test", "--url", f"http://127.0.0.1:{port}"], folder)
        process.send_signal(signal.SIGTERM)
        if code := process.wait(READY_WITHIN_S):
            raise SystemExit(f"exit code {code} after SIGTERM")


@contextmanager
def serving(programs: Path, folder: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A service of one agent that is ready, and its port. Its LiveKit is not there, which readiness does not ask."""
    port = free_port()
    here = {**ENVIRONMENT, "DISPATCHER_HOST": "127.0.0.1", "DISPATCHER_PORT": str(port), **variables}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen([programs / "dispatcher", "serve"], cwd=folder, env=here, stdout=log, stderr=log)
    try:
        end = time.monotonic() + READY_WITHIN_S
        while not _ready(port):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"not ready within {READY_WITHIN_S} s:\n{(folder / 'serve.log').read_text()}")
            time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.wait()


def _ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _run(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] = ENVIRONMENT) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
