"""The command: its options, and the checks in their order."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final

from dispatcher.cli.doctor import way_in
from dispatcher.cli.doctor.findings import Finding, Grade, as_json, as_line
from dispatcher.cli.doctor.launchers import of_launchers
from dispatcher.cli.doctor.livekits import of_livekits
from dispatcher.cli.doctor.redis import of_redis
from dispatcher.cli.doctor.way_in import WayIn
from dispatcher.cli.doctor.workers import of_workers, seen
from dispatcher.cli.options import EVERYTHING, base, source_of, take_connection
from dispatcher.config import Config
from dispatcher.config.environment import service_url
from dispatcher.config.types import SECRET_MIN
from dispatcher.offline import Unusable

NAME: Final = "doctor"
HELP: Final = "check Redis, LiveKit and the way in, and say what to mend: exit code 0, 1 or 2"
EXAMPLE: Final = "dispatcher doctor --url https://hooks.example.com --room-trip"
READS: Final = EVERYTHING

URL: Final = (
    "also check the running service: the address that LiveKit's webhooks go to, such as https://hooks.example.com"
)
ADMIN_URL: Final = (
    "where its probes, metrics and API are; default: at --url, or at DISPATCHER_ADMIN_PORT of this machine"
)
ROOM_TRIP: Final = "with --url: make a room, wait for LiveKit's own webhook of it, and delete it"
JSON: Final = "print the findings as one JSON object"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--url", type=base, help=URL)
    parser.add_argument("--admin-url", type=base, metavar="URL", help=ADMIN_URL)
    parser.add_argument("--room-trip", action="store_true", help=ROOM_TRIP)
    parser.add_argument("--json", action="store_true", help=JSON)
    take_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check everything that the service will depend on."""
    config = source_of(arguments).read()
    at = arguments.url
    if not at and (arguments.room_trip or arguments.admin_url):
        raise Unusable("--room-trip and --admin-url go with --url, which names the running service")
    admin = arguments.admin_url or (service_url(os.environ, admin=True) if config.admin_port else at)
    way = WayIn(at, admin, room_trip=arguments.room_trip) if at else None
    return asyncio.run(examine(config, sys.stdout.write, way=way, as_one=arguments.json))


async def examine(
    config: Config,
    write: Callable[[str], object],
    *,
    way: WayIn | None = None,
    as_one: bool = False,
) -> int:
    """Write a line for each finding, or one JSON object; exit code 0: no error among them, else 1."""
    findings = [*_of_configuration(config), *await of_redis(config)]
    findings += await of_livekits(config.projects)
    findings += of_workers(await seen(config), config)
    findings += [finding async for finding in of_launchers(config)]
    findings += await way_in.of_way_in(config, way)
    for text in (as_json(findings),) if as_one else map(as_line, findings):
        write(text)
    return int(any(finding.grade is Grade.ERROR for finding in findings))


def _of_configuration(config: Config) -> Iterator[Finding]:
    about = "configuration"
    rules = len({rule.name for rule in config.rules_in_force})
    yield Finding(Grade.OK, about, f"{config.file or 'environment'}: {rules} rule{'' if rules == 1 else 's'}")
    for warning in config.warnings:
        yield Finding(Grade.WARNING, about, str(warning))
    for project in config.projects:
        if weak := project.weak_keys:
            says = f"{project.name}: the secret of {', '.join(weak)} has under {SECRET_MIN} bytes"
            yield Finding(Grade.WARNING, about, says, "it can be guessed; fine while you develop")
    if not config.callers:
        yield Finding(Grade.OK, "api", "off", "`dispatcher explain` needs it: set DISPATCHER_API_TOKEN to have it on")
