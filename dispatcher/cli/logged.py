"""How a command that runs on writes its log: `--log`, and what it becomes."""

import argparse
import sys
import time
from typing import Final, get_args

from dispatcher.telemetry.logs import Style
from dispatcher.telemetry.output import NOWHERE, Output

_LOG: Final = "how the log is written; default: text on a terminal, else json"


def take_log(parser: argparse.ArgumentParser) -> None:
    """Add `--log`."""
    parser.add_argument("--log", choices=get_args(Style), help=_LOG)


def output_of(arguments: argparse.Namespace) -> Output:
    """Standard output, for the log. A process that was started without one has none: its number may be a socket's."""
    stdout = sys.stdout
    style: Style = arguments.log or ("text" if stdout and stdout.isatty() else "json")
    return Output(stdout.fileno() if stdout else NOWHERE, time.time, style=style)
