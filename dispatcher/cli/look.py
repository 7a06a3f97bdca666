"""`dispatcher look`: the running service looks at a room now."""

import argparse
from typing import Final

from dispatcher.cli.client import Reply, ask_service, take_service
from dispatcher.cli.options import SERVICE
from dispatcher.client import Dispatcher

NAME: Final = "look"
HELP: Final = "have the running service look at a room now: exit code 0 or 1"
EXAMPLE: Final = "dispatcher look lobby"
READS: Final = SERVICE


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("room", metavar="ROOM", help="the room's name")
    parser.add_argument("--project", default="", help="whose room; default: every project's")
    take_service(parser)


def run(arguments: argparse.Namespace) -> int:
    """Have it looked at, and say which sessions that concerns."""

    async def look(dispatcher: Dispatcher) -> Reply:
        sessions = await dispatcher.look(arguments.room, project=arguments.project)
        lines = [f"{arguments.room} ({one.sid}, project {one.project}): is looked at now" for one in sessions]
        return Reply(lines, {"sessions": sessions})

    return ask_service(arguments, look)
