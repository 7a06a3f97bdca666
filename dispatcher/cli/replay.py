"""`dispatcher replay`: replays recordings, or says what other rules would have decided."""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from dispatcher import offline
from dispatcher.config import load_offline

NAME: Final = "replay"
HELP: Final = "replay recordings, or say what other rules would have decided"
EXAMPLE: Final = "dispatcher replay recorded --config dispatcher.yaml"
READS: Final = ()


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.epilog = "Exit code 0: nothing differs; 1: something does; 2: nothing could be replayed."
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="the folder of `serve --record`; name those of all replicas",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="say, room by room, what the rules of this file would have decided"
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay the recordings through this release, or judge them by the file's rules."""
    if arguments.config is None:
        return offline.replay(arguments.folders, sys.stdout.write)
    return offline.compare(arguments.folders, load_offline(arguments.config, os.environ), sys.stdout.write)
