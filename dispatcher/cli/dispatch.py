"""`dispatcher dispatch create` and `cancel`: ask the running service for an agent, or have one go."""

import argparse
from typing import Final

from dispatcher.cli.client import Reply, ask_service
from dispatcher.cli.options import SERVICE, end_help
from dispatcher.cli.ordered import GONE, SERVED, reply, take_assignment, take_order
from dispatcher.client import Dispatcher, DispatchFields

NAME: Final = "dispatch"
HELP: Final = "ask the running service for an agent in a room, or have one go: exit code 0 or 1"
EXAMPLE: Final = "dispatcher dispatch create --room lobby --agent-name sales --wait"
READS: Final = SERVICE


def add(parser: argparse.ArgumentParser) -> None:
    """Add both commands."""
    orders = parser.add_subparsers(dest="order", required=True, metavar="COMMAND")
    create = orders.add_parser("create", help="ask for an agent, whatever the rules say")
    who = create.add_mutually_exclusive_group(required=True)
    who.add_argument("--agent-name", dest="agent", default="", help="the name that its workers register under")
    who.add_argument("--rule", default="", help="a rule, whose agent, fallbacks, limits and metadata it has")
    create.add_argument("--deployment", default="", help="of the agent")
    create.add_argument("--metadata", help="a text for the agent; default: the rule's, else none")
    create.add_argument("--participant", default="", metavar="IDENTITY", help="whom it is for; default: the whole room")
    create.add_argument("--create-room", action="store_true", help="make the room if it does not live")
    key = "the same key is the same agent, for 24 h; default: one of its own for each call"
    create.add_argument("--idempotency-key", default="", metavar="KEY", help=key)
    take_order(create)
    create.set_defaults(asking=_create)
    cancel = orders.add_parser("cancel", help="have the agent go, and be done with the assignment")
    take_assignment(cancel)
    cancel.set_defaults(asking=_cancel)
    end_help(create, EXAMPLE, READS)
    end_help(cancel, "dispatcher dispatch cancel --room lobby request:3f5a0c1e9b7d24680ace --wait", READS)


def run(arguments: argparse.Namespace) -> int:
    """Give the order that was typed."""
    return ask_service(arguments, lambda dispatcher: arguments.asking(dispatcher, arguments))


async def _create(dispatcher: Dispatcher, arguments: argparse.Namespace) -> Reply:
    asked: DispatchFields = {
        "room": arguments.room,
        "agent": arguments.agent,
        "rule": arguments.rule,
        "deployment": arguments.deployment,
        "metadata": arguments.metadata,
        "project": arguments.project,
        "create_room": arguments.create_room,
        "participant": arguments.participant,
    }
    wait, key = arguments.wait, arguments.idempotency_key
    return reply(await dispatcher.dispatch(wait=wait or 0.0, idempotency_key=key, **asked), wait=wait, good=SERVED)


async def _cancel(dispatcher: Dispatcher, arguments: argparse.Namespace) -> Reply:
    room, assignment, wait = arguments.room, arguments.assignment, arguments.wait
    stands = await dispatcher.cancel(room, assignment, project=arguments.project, wait=wait or 0.0)
    return reply(stands, wait=wait, good=GONE)
