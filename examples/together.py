"""`make try`: a LiveKit, the service, an agent and a person on this machine, all of them real, until Ctrl-C.

LiveKit, the service and the agent are processes of their own, as in production. Their logs, and a file with the
variables for another terminal, are in `.try/`.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from aiohttp import ClientError, ClientSession

from examples.join import Person, token
from tests.real.install import BINARY, VERSION, install

ROOT: Final = Path(__file__).parents[1]
HERE: Final = ROOT / ".try"
HOST: Final = "127.0.0.1"
KEY: Final = "devkey"
ROOM, PERSON, AGENT = "lobby", "alice", "greeter"
GET: Final = "https://docs.livekit.io/home/self-hosting/local/ or https://go.dev/dl/"
SLOWEST_S: Final = 90.0  # until a worker has started on a busy machine
SEEN_S: Final = 15.0  # until the service knows that the agent is its own: LiveKit lists jobs up to 5 s late
STOPS_S: Final = 3.0  # then it is killed: an agent that is busy would wait for its room's end


class GivenUp(Exception):
    """Something has not come up. Its text says what, and where to look."""


class Children:
    """Processes, each in a session of its own so that Ctrl-C is ours alone; at the end all of them have ended."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        """Start it; what it prints goes to its log."""
        with (HERE / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                list(map(str, command)),
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(child)

    def all_running(self) -> bool:
        """Whether none has ended."""
        return all(child.poll() is None for child in self._running)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave some of them behind
        for child in reversed(self._running):
            child.terminate()
        until = time.monotonic() + STOPS_S
        for child in reversed(self._running):
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.1, until - time.monotonic()))
            with suppress(ProcessLookupError):  # what is left of it: the processes of its jobs
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def main() -> int:
    """Bring all of it up, say what to see, and end all of it at Ctrl-C; exit code 1 if the agent did not come."""
    parser = argparse.ArgumentParser(prog="make try", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when it has worked, not at Ctrl-C")
    once = parser.parse_args().once
    HERE.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        with Children() as children:
            asyncio.run(together(children, once=once))
    except GivenUp as why:
        say(f"\nIt did not work: {why}")
        return 1
    except KeyboardInterrupt:
        say("\nAll of it has ended.")
    return 0


async def together(children: Children, *, once: bool) -> None:
    """LiveKit, then the service, then the agent, then the person. Raises GivenUp."""
    environment = variables()
    livekit, service = environment["LIVEKIT_URL"], f"http://{HOST}:{environment['DISPATCHER_PORT']}"
    server = livekit_server()
    children.start("livekit", [server], {"LIVEKIT_CONFIG": configuration(environment, service)})
    await until(children, lambda: answers(livekit.replace("ws", "http", 1)), "livekit")
    say(f"LiveKit     {livekit}       {version(server)}; its log: .try/livekit.log")
    children.start("dispatcher", [command("dispatcher"), "serve"], environment)
    await until(children, lambda: answers(f"{service}/readyz"), "dispatcher")
    say(f"dispatcher  {service}     its rules: examples/rules.yaml; its log: .try/dispatcher.log")
    children.start("agent", [sys.executable, "examples/agent/agent.py", "start"], environment)
    await until(children, registered, "agent")
    say(f"agent       {AGENT}                   examples/agent/agent.py; its log: .try/agent.log")
    say(f"person      {PERSON} joins the room {ROOM}. It worked when you see what {AGENT} says to her:\n")
    await person(environment, children, once=once)


async def person(environment: Mapping[str, str], children: Children, *, once: bool) -> None:
    """Alice joins, hears her agent, and stays. Raises GivenUp when it says nothing."""
    greeted, began = asyncio.Event(), time.monotonic()

    def heard(_identity: str, text: str) -> None:
        say(f"  {AGENT}: {text}")
        greeted.set()

    async with Person(environment["LIVEKIT_URL"], token(environment, ROOM, PERSON), heard):
        await until(children, lambda: given(greeted.is_set()), AGENT)
        say(f"\nIt worked: {PERSON} heard her agent {time.monotonic() - began:.1f} s after she had come.\n")
        say(f"$ dispatcher explain {ROOM}\n{await told(environment)}")
        if not once:
            say(NEXT.format(livekit=environment["LIVEKIT_URL"], token=token(environment, ROOM, "you")))
            await asyncio.Event().wait()


NEXT: Final = f"""
Ctrl-C ends all of it. Until then, in another terminal:

  source .try/env
  .venv/bin/dispatcher explain {ROOM}                    # why, at any time
  .venv/bin/dispatcher doctor --url $DISPATCHER_URL --room-trip

or join the room yourself, with any LiveKit client on this machine, and say bye to the agent by chat:

  {{livekit}}
  {{token}}
"""


def variables() -> dict[str, str]:
    """What every process here needs; the secret and the token are made once. Also in `.try/env`, for a shell."""
    environment = {
        "LIVEKIT_URL": f"ws://{HOST}:{port(7880)}",
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": kept("secret"),
        "DISPATCHER_API_TOKEN": kept("token"),
        "DISPATCHER_CONFIG": str(ROOT / "examples/rules.yaml"),
        "DISPATCHER_HOST": HOST,
        "DISPATCHER_PORT": str(port(8080)),
        "AGENT_PORT": str(port(8081)),
    }
    lines = [f"export {name}={value}\n" for name, value in environment.items()]
    lines.append(f"export DISPATCHER_URL=http://{HOST}:{environment['DISPATCHER_PORT']}\n")
    written(HERE / "env", "".join(lines))
    return environment


def kept(name: str) -> str:
    """A secret of 32 characters, made by the first `make try`, for the owner of the checkout alone."""
    file = HERE / name
    if not file.exists():
        written(file, secrets.token_hex(16))
    return file.read_text()


def written(file: Path, text: str) -> None:
    """The file holds the text, and nobody else reads it."""
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:  # noqa: PTH123 - its mode
        opened.write(text)


def livekit_server() -> Path:
    """One that was built here before, else the one in PATH, else one that Go builds now. Raises GivenUp."""
    if not BINARY.exists() and (found := shutil.which("livekit-server")):
        return Path(found)
    if not BINARY.exists() and not shutil.which("go"):
        raise GivenUp(f"neither livekit-server nor go is in PATH, and one is needed: {GET}")
    if not BINARY.exists():
        say(f"go builds livekit-server {VERSION} into .tools, once; this takes minutes (one in PATH is taken instead)…")
    install()
    return BINARY


def configuration(environment: Mapping[str, str], service: str) -> str:
    """LiveKit's: its key, and where its webhooks go. JSON is YAML."""
    return json.dumps({
        "port": int(environment["LIVEKIT_URL"].rpartition(":")[2]),
        "bind_addresses": [HOST],
        "keys": {KEY: environment["LIVEKIT_API_SECRET"]},
        "webhook": {"api_key": KEY, "urls": [f"{service}/webhook"]},
        "agents": {"target_load": 1.0},  # else a busy laptop's only worker is not asked
        "rtc": {
            "tcp_port": port(7881),
            "udp_port": port(7882, socket.SOCK_DGRAM),
            "node_ip": HOST,
            "interfaces": {"includes": ["lo", "lo0"]},
            "ips": {"includes": [f"{HOST}/32"]},
            "use_external_ip": False,
            "enable_loopback_candidate": True,
        },
    })  # fmt: skip


def port(preferred: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """This one where it is free, else any."""
    for number in (preferred, 0):
        with suppress(OSError), socket.socket(socket.AF_INET, kind) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((HOST, number))
            return int(one.getsockname()[1])
    raise GivenUp("no port is free")


async def until(children: Children, ready: Callable[[], Awaitable[bool]], name: str) -> None:
    """It is ready. Raises GivenUp when a process ends before, or after SLOWEST_S."""
    end = time.monotonic() + SLOWEST_S
    while not await ready():
        if not children.all_running() or time.monotonic() > end:
            log = HERE / f"{name}.log"
            last = log.read_text(errors="replace")[-1_000:] if log.exists() else "see the logs in .try/"
            raise GivenUp(f"{name} did not come within {SLOWEST_S:g} s, or something ended before.\n{last}")
        await asyncio.sleep(0.1)


async def answers(url: str) -> bool:
    """Whether it answers with 200."""
    with suppress(ClientError, OSError):
        async with ClientSession() as http, http.get(url) as answer:
            return answer.status == 200
    return False


async def registered() -> bool:
    """Whether LiveKit knows the worker, as the worker says."""
    return "registered worker" in (HERE / "agent.log").read_text(errors="replace")


async def given(fact: bool) -> bool:  # noqa: FBT001 - it is one
    """The fact."""
    return fact


async def told(environment: Mapping[str, str]) -> str:
    """What the service says of the room, when it has seen the agent."""
    until = time.monotonic() + SEEN_S
    while True:
        asked = await asyncio.create_subprocess_exec(
            *(command("dispatcher"), "explain", ROOM), env={**os.environ, **environment}, stdout=subprocess.PIPE
        )
        said = (await asked.communicate())[0].decode().rstrip()
        if "is in the room" in said or time.monotonic() > until:
            return said


def version(server: Path) -> str:
    """The server's own word for it."""
    return subprocess.run([server, "--version"], check=False, capture_output=True, text=True).stdout.strip()


def command(name: str) -> Path:
    """A command of the environment that runs this."""
    return Path(sys.executable).parent / name


def say(text: str) -> None:
    """For whoever watches."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
