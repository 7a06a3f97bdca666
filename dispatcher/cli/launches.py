"""`dispatcher launches`: what a launcher has started; the log of one launch, and its end."""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from dispatcher.cli.client import says, token
from dispatcher.cli.screen import Line, Table, write
from dispatcher.client import RequestFailed
from dispatcher.client.launches import HOST, PORT, Launcher, ListedLaunch
from dispatcher.config.environment import http_url
from dispatcher.core.text import visible
from dispatcher.explain.words import span

NAME: Final = "launches"
HELP: Final = "list what a launcher has started, show the log of one launch, or stop it"
EXAMPLE: Final = "dispatcher launches --all"
READS: Final = ("DISPATCHER_API_TOKEN", "DISPATCHER_API_TOKEN_FILE")

LINES: Final = 200
_HEAD: Final = ("LAUNCH", "LAUNCHER", "ROOM", "IDENTITY", "STATE", "AGE", "PID", "RSS", "JOINED AFTER")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--all", action="store_true", help="also those that have ended")
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--show", metavar="LAUNCH", help="the last lines that this launch wrote; the start of its id is enough"
    )
    one.add_argument("--stop", metavar="LAUNCH", help="end this launch, and wait until nothing of it runs")
    parser.add_argument("--lines", type=int, default=LINES, metavar="N", help=f"of --show; default: {LINES}")
    url = http_url(HOST, PORT)
    parser.add_argument("--url", default=url, help=f"where the launcher answers; default: {url}")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Ask the launcher."""
    return asyncio.run(_asked(arguments, token()))


async def _asked(arguments: argparse.Namespace, given: str) -> int:
    async with Launcher(arguments.url, given) as launcher:
        try:
            write(await _answer(arguments, launcher), sys.stdout)
        except RequestFailed as failed:
            sys.stderr.write(f"{visible(says(failed))}\n")
            return 1
    return 0


async def _answer(arguments: argparse.Namespace, launcher: Launcher) -> Sequence[Line]:
    if arguments.show:
        one = await _found(launcher, arguments.show)
        return (await launcher.log(one.id, arguments.lines)).splitlines()
    if arguments.stop:
        one = await launcher.stop((await _found(launcher, arguments.stop)).id)
        return [_json(one) if arguments.json else f"{one.id} has ended: {one.why}"]
    listed = await launcher.launches(ended=arguments.all)
    if arguments.json:
        return [_json(listed)]
    free = ", ".join(f"{name} {count}" for name, count in listed.free.items())
    return [Table(_HEAD, list(_rows(listed.launches))), f"free places: {free}"]


async def _found(launcher: Launcher, named: str) -> ListedLaunch:
    """The one launch whose id begins so. Raises RequestFailed: none, or several."""
    listed = await launcher.launches(ended=True)
    found = [one for one in listed.launches if one.id.startswith(named)]
    if len(found) != 1:
        raise RequestFailed(f"{len(found)} launches have an id that begins so", error="unknown_launch")
    return found[0]


def _rows(launches: Iterable[ListedLaunch]) -> Iterator[tuple[str, ...]]:
    for one in launches:
        state = f"{one.state}: {one.why}" if one.why else one.state
        rss = f"{one.rss_bytes >> 20} MiB" if one.rss_bytes else ""
        joined = "" if one.joined_after_ms is None else span(one.joined_after_ms)
        yield one.id[:8], one.launcher, one.room, one.identity, state, span(one.age_ms), str(one.pid or ""), rss, joined


def _json(answer: object) -> str:
    return json.dumps(msgspec.to_builtins(answer))
