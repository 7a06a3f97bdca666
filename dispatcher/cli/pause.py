"""`dispatcher pause`: nobody is given an agent any more, for a while or until it is resumed."""

import argparse
from typing import Final

from dispatcher.cli.client import Reply, ask_service, take_service
from dispatcher.cli.options import SERVICE
from dispatcher.client import Dispatcher, ListedAgent
from dispatcher.client.bounds import PAUSE_MAX_MS, PAUSE_MIN_MS
from dispatcher.config.values import span

NAME: Final = "pause"
HELP: Final = "give an agent to nobody new: calls that have it keep it, the others go on to their next target"
EXAMPLE: Final = "dispatcher pause sales --for 30m --reason deploy"
READS: Final = SERVICE


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    take_agent(parser)
    parser.add_argument("--for", dest="lasts", type=_span, metavar="30m", help="default: until `resume`")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for whoever asks; 200 bytes are kept")
    take_service(parser)


def take_agent(parser: argparse.ArgumentParser) -> None:
    """Add the agent, and `--project`."""
    parser.add_argument("agent", metavar="AGENT", help="the name that its workers register under")
    parser.add_argument("--project", default="", help="whose agent; needed where the service has several projects")


def run(arguments: argparse.Namespace) -> int:
    """Pause it."""
    lasts, reason, project = arguments.lasts or "", arguments.reason, arguments.project

    async def pause(dispatcher: Dispatcher) -> Reply:
        one = await dispatcher.pause(arguments.agent, lasts=lasts, reason=reason, project=project)
        return Reply(_lines(one), one)

    return ask_service(arguments, pause)


def _lines(one: ListedAgent) -> list[str]:
    """That it is paused; who keeps it; and whether the name looks wrong."""
    told = [f"{one.agent} (project {one.project}) is {one.paused.sentence if one.paused else 'not paused'}"]
    if there := one.assignments.get("served", 0):
        told.append("1 room has it, and keeps it" if there == 1 else f"{there} rooms have it, and keep it")
    if not one.rules:
        told.append(f"no rule of project {one.project} names it outright: is the name right?")
    return told


def _span(text: str) -> str:
    try:
        span(PAUSE_MIN_MS, PAUSE_MAX_MS)(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
