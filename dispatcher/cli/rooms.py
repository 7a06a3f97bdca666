"""`dispatcher rooms`: the live rooms, or those that have ended, a line for each assignment."""

import argparse
from collections.abc import Iterable, Iterator
from typing import Final

from dispatcher.cli.client import Reply, ask_service, take_service, take_watch
from dispatcher.cli.options import SERVICE
from dispatcher.cli.screen import Table
from dispatcher.client import Dispatcher, ListedRoom
from dispatcher.client.bounds import ROOMS
from dispatcher.core.session import State
from dispatcher.explain.words import at_utc, date
from dispatcher.ledger.order import Order

NAME: Final = "rooms"
HELP: Final = "list live rooms, or those that have ended, how their assignments stand, and why somebody waits"
EXAMPLE: Final = "dispatcher rooms --state starved --watch"
READS: Final = SERVICE


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--state", default="", choices=[*State], help="rooms with an assignment in this state")
    parser.add_argument("--agent-name", default="", metavar="NAME", help="rooms with an assignment of this agent")
    parser.add_argument("--rule", default="", metavar="NAME", help="rooms with an assignment of this rule")
    parser.add_argument("--match", default="", metavar="TEXT", help="rooms with this text in their name")
    parser.add_argument("--project", default="", help="rooms of this project; default: of all")
    order = (
        "newest: the newest first, as is usual; wait: those alone where somebody waits, the longest wait first; "
        "ended: those that have ended, the last first"
    )
    parser.add_argument("--sort", default=Order.NEWEST, choices=[*Order], help=order)
    parser.add_argument("--limit", type=_limit, default=ROOMS, metavar="N", help=f"so many at most; default: {ROOMS}")
    take_watch(parser)
    take_service(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them."""

    async def rooms(dispatcher: Dispatcher) -> Reply:
        listed = await dispatcher.rooms(
            state=arguments.state,
            agent=arguments.agent_name,
            rule=arguments.rule,
            q=arguments.match,
            project=arguments.project,
            sort=arguments.sort,
            limit=arguments.limit,
        )
        table = Table(_head("ENDED" if arguments.sort == Order.ENDED else "WAITS SINCE"), list(_rows(listed)))
        more = f"the first {arguments.limit}, there may be more: --limit" if len(listed) == arguments.limit else ""
        return Reply([table], {"rooms": listed}, aside=more)

    return ask_service(arguments, rooms, project=arguments.project)


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text[:9]) < 1:
        raise argparse.ArgumentTypeError("write a number from 1 on")
    return int(text[:9])


def _head(since: str) -> tuple[str, ...]:
    return ("ROOM", "PROJECT", "ASSIGNMENT", "STATE", "AGENT", since, "LIKELIEST CAUSE")


def _rows(rooms: Iterable[ListedRoom]) -> Iterator[tuple[str, ...]]:
    """A row for each assignment; of a room without one, a row that says so."""
    for room in rooms:
        waits = _ended(room.ended_at) if room.ended_at else at_utc(room.waiting_since) if room.waiting_since else ""
        for one in room.assignments:
            yield room.room, room.project, one.assignment, one.state, one.agent, waits, one.cause or ""
        if not room.assignments:
            yield room.room, room.project, "", "", "", "", ""


def _ended(at: int) -> str:
    """With its day: that may have been another one."""
    return f"{date(at)} {at_utc(at)}"
