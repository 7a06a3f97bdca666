"""`dispatcher fake-livekit`: a LiveKit to develop against, without media, which loses what it is told to lose."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from dispatcher.cli.options import WEBHOOK, base
from dispatcher.cli.signals import stopping
from dispatcher.config.environment import service_url
from dispatcher.core.text import visible
from dispatcher.offline import Unusable
from dispatcher.testing import FakeLiveKit, NeverSeen, Timings
from dispatcher.testing.control import PREFIX, Control
from dispatcher.testing.release import SEEN
from dispatcher.testing.written import NotWritten, arm, written_worker

NAME: Final = "fake-livekit"
HELP: Final = "run a fake LiveKit to develop against: people, workers and faults by options, and over HTTP"
EXAMPLE: Final = "dispatcher fake-livekit --worker greeter --worker busy:rejects --fault lose_webhooks:times=2"
READS: Final = ("DISPATCHER_HOST", "DISPATCHER_PORT")

PORT: Final = 7880
WAKES_S: Final = 3600.0  # how long it waits for something to tell of, before it waits anew


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    there = service_url(os.environ)
    parser.add_argument("--host", default="127.0.0.1", help="where it listens; default: 127.0.0.1")
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}, as LiveKit's; 0: a free one")
    parser.add_argument("--url", type=base, default=there, help=f"where webhooks go, the service; default: {there}")
    worker = "a worker, as NAME[:OUTCOME,…][,SETTING=VALUE,…]; several times for several"
    parser.add_argument("--worker", action="append", default=[], metavar="WORKER", help=worker)
    fault = "what goes wrong once, as NAME[:SETTING=VALUE,…], such as lose_webhooks:times=2; several times for several"
    parser.add_argument("--fault", action="append", default=[], metavar="FAULT", help=fault)
    parser.add_argument("--join", action="append", default=[], metavar="ROOM/IDENTITY", help="somebody who joins")
    parser.add_argument(
        "--like", type=_release, default=SEEN, metavar="VERSION", help="livekit-server's; default: 1.13.5"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster it is than LiveKit; default: 1")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; exit code 1 if the address cannot be used. Raises Unusable."""
    try:
        return asyncio.run(serve(arguments, _print))
    except OSError as error:
        sys.stderr.write(f"{arguments.host} port {arguments.port}: {error.strerror}\n")
        return 1
    except NotWritten as wrong:
        raise Unusable(str(wrong)) from None


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()  # who reads it through a pipe wants it now


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.removeprefix("v").split("."))


async def serve(arguments: argparse.Namespace, write: Callable[[str], object]) -> int:
    """As the options say, telling of each call and each webhook, until it is told to stop."""
    livekit = FakeLiveKit(
        f"{arguments.url}{WEBHOOK}",
        version=arguments.like,
        timings=Timings(speed=arguments.speed),
        listen=(arguments.host, arguments.port),
    )
    livekit.answer_more(Control(livekit).routes())
    for text in arguments.worker:
        agent, outcomes, behaviour = written_worker(text)
        livekit.workers.register(agent, *outcomes, **behaviour)
    for text in arguments.fault:
        arm(livekit.faults, text)
    with stopping(_end_now) as stopped:
        async with livekit:
            write(_greeting(livekit))
            for one in arguments.join:
                room, _, identity = one.rpartition("/")
                await livekit.rooms.join(room, identity)
            async with asyncio.TaskGroup() as group:
                telling = group.create_task(_News(livekit).tell(write))
                await stopped.wait()
                telling.cancel()
    return 0


def _greeting(livekit: FakeLiveKit) -> str:
    return (
        f"export LIVEKIT_URL={livekit.url} LIVEKIT_API_KEY={livekit.api_key} LIVEKIT_API_SECRET={livekit.api_secret}\n"
        f"webhooks go to {livekit.webhook_url}\n"
        f"somebody joins: curl -X POST {livekit.url}{PREFIX}/rooms/lobby/alice\n"
    )


class _News:
    """A line for each call that has come, and each webhook that LiveKit is done with."""

    def __init__(self, livekit: FakeLiveKit) -> None:
        self._livekit = livekit
        self._calls = self._webhooks = 0  # told so far

    async def tell(self, write: Callable[[str], object]) -> None:
        """Write each when it comes, for ever."""
        while True:
            with suppress(NeverSeen):
                write(await self._livekit.wait_until(self._take, within=WAKES_S))

    def _take(self) -> str:
        calls, sent = self._livekit.calls[self._calls :], self._livekit.webhooks_sent[self._webhooks :]
        self._calls, self._webhooks = self._calls + len(calls), self._webhooks + len(sent)
        lines = [f"call     {one.method}" for one in calls]
        lines += [f"webhook  {one.event} of {one.room}: {one.outcome} {one.status or ''}".rstrip() for one in sent]
        return "".join(f"{visible(line)}\n" for line in lines)


def _end_now(number: signal.Signals) -> None:
    os._exit(128 + number)
