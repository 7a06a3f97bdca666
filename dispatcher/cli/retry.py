"""`dispatcher retry`: an assignment is tried again now, with its whole budget."""

import argparse
from typing import Final

from dispatcher.cli.client import Reply, ask_service
from dispatcher.cli.options import SERVICE
from dispatcher.cli.ordered import SERVED, reply, take_assignment
from dispatcher.client import Dispatcher

NAME: Final = "retry"
HELP: Final = "try an assignment again now, with its whole budget: exit code 0 or 1"
EXAMPLE: Final = "dispatcher retry --room lobby everyone-else --wait"
READS: Final = SERVICE


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    take_assignment(parser)


def run(arguments: argparse.Namespace) -> int:
    """Have it tried again."""
    room, assignment, wait = arguments.room, arguments.assignment, arguments.wait

    async def retry(dispatcher: Dispatcher) -> Reply:
        stands = await dispatcher.retry(room, assignment, project=arguments.project, wait=wait or 0.0)
        return reply(stands, wait=wait, good=SERVED)

    return ask_service(arguments, retry)
