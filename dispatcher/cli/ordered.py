"""What the commands that order something have in common: which assignment, how long to wait, and how it ended."""

import argparse
from collections.abc import Collection
from typing import Final

from dispatcher.cli.client import Reply, take_service
from dispatcher.cli.screen import Table
from dispatcher.client import Dispatched
from dispatcher.client.bounds import WAIT_MAX_MS
from dispatcher.config.values import span

SERVED: Final = frozenset({"served", "finished"})
GONE: Final = frozenset({"finished", "room_finished"})

CODES: Final = """\
exit codes:
  0  with --wait: it is there, or done; without: the order was taken
  1  refused, failed, or not within --wait; the reason is printed
  2  the command line is wrong"""

_USUAL_S: Final = 10.0


def take_order(parser: argparse.ArgumentParser) -> None:
    """Add `--room`, `--project`, `--wait`, and where the service is."""
    parser.add_argument("--room", required=True, help="the room's name")
    parser.add_argument("--project", default="", help="whose room; needed where the service has several projects")
    waits = f"wait for the outcome: {_USUAL_S:.0f}s unless written, 60s at most"
    parser.add_argument("--wait", nargs="?", type=_wait, const=_USUAL_S, metavar="10s", help=waits)
    take_service(parser)
    parser.epilog = CODES


def take_assignment(parser: argparse.ArgumentParser) -> None:
    """Add the assignment, and all that an order takes."""
    shown = "as `dispatcher rooms` and `dispatcher explain` show it"
    parser.add_argument("assignment", metavar="ASSIGNMENT", help=shown)
    take_order(parser)


def reply(stands: Dispatched, *, wait: float | None, good: Collection[str]) -> Reply:
    """How the assignment stands; exit code 1 where somebody waited for one of the `good` states in vain."""
    code = 1 if wait is not None and stands.state not in good else 0
    row = (stands.room, stands.project, stands.assignment, stands.state, stands.agent or "")
    table = Table(("ROOM", "PROJECT", "ASSIGNMENT", "STATE", "AGENT"), [row])
    return Reply([table, *stands.diagnosis], stands, code)


def _wait(text: str) -> float:
    try:
        return span(0, WAIT_MAX_MS)(text) / 1000
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
