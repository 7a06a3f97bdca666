"""`dispatcher rooms`: the live rooms, a line for each assignment."""

import argparse
from collections.abc import Iterable, Iterator
from typing import Final

from dispatcher.cli.client import Reply, ask_service, take_service, take_watch
from dispatcher.cli.options import SERVICE
from dispatcher.cli.screen import table
from dispatcher.client import Dispatcher, ListedRoom
from dispatcher.core.session import State
from dispatcher.http.asked import LIMIT, LIMIT_MAX

NAME: Final = "rooms"
HELP: Final = "list live rooms, and how their assignments stand"
EXAMPLE: Final = "dispatcher rooms --state starved --watch"
READS: Final = SERVICE


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--state", default="", choices=[*State], help="rooms with an assignment in this state")
    parser.add_argument("--project", default="", help="rooms of this project; default: of all")
    most = f"so many rooms at most, the newest; default: {LIMIT}, at most {LIMIT_MAX}"
    parser.add_argument("--limit", type=int, default=LIMIT, metavar="N", help=most)
    take_watch(parser)
    take_service(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them."""

    async def rooms(dispatcher: Dispatcher) -> Reply:
        listed = await dispatcher.rooms(state=arguments.state, project=arguments.project, limit=arguments.limit)
        lines = table(("ROOM", "PROJECT", "ASSIGNMENT", "STATE", "AGENT"), _rows(listed))
        more = f"the newest {arguments.limit}, there may be more: --limit" if len(listed) == arguments.limit else ""
        return Reply(lines, {"rooms": listed}, aside=more)

    return ask_service(arguments, rooms)


def _rows(rooms: Iterable[ListedRoom]) -> Iterator[tuple[str, ...]]:
    """A row for each assignment; of a room without one, a row that says so."""
    for room in rooms:
        for one in room.assignments:
            yield room.room, room.project, one.assignment, one.state, one.agent
        if not room.assignments:
            yield room.room, room.project, "", "", ""
