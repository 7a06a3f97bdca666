"""`python -m tests.real.agent NAME --behaviour …`: a real worker whose agents do nothing but what is asked here.

A behaviour may be a heading of docs/agents.md, too: then they do what is shown below it. Says `registered` on standard
output when LiveKit knows it. LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET and, if wanted, LIVEKIT_AGENT_DEPLOYMENT
come from the environment.
"""

import argparse
import ast
import asyncio
import re
import signal
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from livekit.agents import AgentServer, JobContext, JobExecutorType, JobRequest
from livekit.agents.worker import ServerType

Entry: TypeAlias = Callable[[float, JobContext], Awaitable[None]]  # seconds, the job
Request: TypeAlias = Callable[[JobRequest], Awaitable[None]]

DOCUMENT: Final = Path(__file__).parents[2] / "docs/agents.md"
TOO_SLOW: Final = 4.0  # seconds; the server waits 3
IDLE: Final = 4  # what the SDK keeps in production on four cores; with no job in hand it takes no more at once


async def stay(_: float, ctx: JobContext) -> None:
    """Joins, and stays until the room or somebody else ends it."""
    await ctx.connect()


async def leave(after: float, ctx: JobContext) -> None:
    """Joins, and leaves without a word."""
    await ctx.connect()
    await asyncio.sleep(after)
    ctx.shutdown("done")


async def follow(snippet: str, after: float, ctx: JobContext) -> None:
    """Joins, and does what the snippet says."""
    await ctx.connect()
    await asyncio.sleep(after)
    code = compile(snippet, DOCUMENT.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, {"ctx": ctx})  # noqa: S307 - it is our own document


async def say_so_too_late(after: float, ctx: JobContext) -> None:
    """Joins, leaves, and says then that it was done (docs/agents.md)."""

    async def say_so() -> None:
        await ctx.room.local_participant.set_attributes({"dispatcher.done": "too late"})

    ctx.add_shutdown_callback(say_so)
    await leave(after, ctx)


async def bound(after: float, ctx: JobContext) -> None:
    """Joins the first person it meets, and says goodbye so many seconds after that connection has ended."""
    await ctx.connect()
    person, ended = await ctx.wait_for_participant(), asyncio.Event()
    ctx.room.on("participant_disconnected", lambda left: ended.set() if left.sid == person.sid else None)
    await ended.wait()
    await asyncio.sleep(after)
    ctx.shutdown("the person has gone")


async def crash(after: float, ctx: JobContext) -> None:
    """Joins, and raises."""
    await ctx.connect()
    await asyncio.sleep(after)
    raise RuntimeError("crashed as asked")


async def never_show(_: float, __: JobContext) -> None:
    """Never joins."""
    await asyncio.Event().wait()


async def accept(request: JobRequest) -> None:
    """Yes."""
    await request.accept()


async def accept_late(request: JobRequest) -> None:
    """Yes, when nobody listens any more."""
    await asyncio.sleep(TOO_SLOW)
    await request.accept()


async def reject(request: JobRequest) -> None:
    """No."""
    await request.reject()


BEHAVIOURS: Final[Mapping[str, tuple[Request, Entry]]] = {
    "stay": (accept, stay),
    "leave": (accept, leave),
    "say-so-too-late": (accept, say_so_too_late),
    "bound": (accept, bound),
    "crash": (accept, crash),
    "no-show": (accept, never_show),
    "slow": (accept_late, stay),
    "reject": (reject, stay),
}


def snippets() -> dict[str, str]:
    """What docs/agents.md shows in Python, by its headings."""
    sections = (section.partition("\n") for section in DOCUMENT.read_text().split("\n## "))
    found = ((heading, re.search(r"```python\n(.*?)```", text, re.DOTALL)) for heading, _, text in sections)
    return {heading: code[1] for heading, code in found if code}


def idle(_: AgentServer) -> float:
    """The load it reports: none, however busy the machine is. Else LiveKit loses dispatches (docs/livekit.md §3)."""
    return 0.0


def worker(name: str, behaviour: str, *, after: float, processes: int, publisher: bool, port: int) -> AgentServer:
    """A worker that is not running yet."""
    code = snippets()
    request, entry = (accept, partial(follow, code[behaviour])) if behaviour in code else BEHAVIOURS[behaviour]
    server = AgentServer(
        job_executor_type=JobExecutorType.PROCESS if processes else JobExecutorType.THREAD,
        num_idle_processes=processes or IDLE,
        load_fnc=idle,
        drain_timeout=1,
        shutdown_process_timeout=1,
        host="127.0.0.1",
        port=port,
    )
    kind = ServerType.PUBLISHER if publisher else ServerType.ROOM
    server.rtc_session(partial(entry, after), agent_name=name, type=kind, on_request=request)
    server.on("worker_registered", lambda *_: print("registered", flush=True))  # noqa: T201 - it is awaited
    return server


async def run(server: AgentServer) -> None:
    """The worker runs until SIGTERM, which ends its agents too."""
    running = asyncio.create_task(server.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.create_task(server.aclose()))
    await running


def main() -> None:
    """The worker that the command line describes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--behaviour", choices=[*BEHAVIOURS, *snippets()], default="stay")
    parser.add_argument(
        "--after",
        type=float,
        default=0.0,
        help="seconds from joining (bound: from the person's leaving) to leaving or crashing",
    )
    parser.add_argument("--processes", type=int, default=0, help="idle processes; 0: agents are threads of the worker")
    parser.add_argument("--publisher", action="store_true", help="one job for each publisher")
    parser.add_argument("--port", type=int, default=0, help="where it answers over HTTP; 0: any free one")
    chosen = parser.parse_args()
    server = worker(
        chosen.name,
        chosen.behaviour,
        after=chosen.after,
        processes=chosen.processes,
        publisher=chosen.publisher,
        port=chosen.port,
    )
    asyncio.run(run(server))


if __name__ == "__main__":
    main()
