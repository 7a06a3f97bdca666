"""`dispatcher replay`: replays recordings, or says what other rules would have decided."""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from dispatcher import offline
from dispatcher.config import load_offline

NAME: Final = "replay"
HELP: Final = "replay recordings, or ask what other rules would have decided"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.description = "Exit code 0: nothing differs; 1: something does; 2: nothing could be replayed."
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="what `serve --record` made, of each replica"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a file whose rules would have decided: room by room"
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay the recordings through this release, or judge them by the file's rules."""
    if arguments.config is None:
        return offline.replay(arguments.folders, sys.stdout.write)
    return offline.compare(arguments.folders, load_offline(arguments.config, os.environ), sys.stdout.write)
