"""`dispatcher resume`: the pause that somebody has ordered of an agent is over."""

import argparse
from typing import Final

from dispatcher.cli.client import Reply, ask_service, take_service
from dispatcher.cli.options import SERVICE
from dispatcher.cli.pause import take_agent
from dispatcher.client import Dispatcher

NAME: Final = "resume"
HELP: Final = "end the pause of an agent: exit code 1 where the configuration pauses it still"
EXAMPLE: Final = "dispatcher resume sales"
READS: Final = SERVICE


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    take_agent(parser)
    take_service(parser)


def run(arguments: argparse.Namespace) -> int:
    """Resume it."""

    async def resume(dispatcher: Dispatcher) -> Reply:
        one = await dispatcher.resume(arguments.agent, project=arguments.project)
        stands = f"still {one.paused.sentence}" if one.paused else "paused no longer"
        return Reply([f"{one.agent} (project {one.project}) is {stands}"], one, 1 if one.paused else 0)

    return ask_service(arguments, resume)
