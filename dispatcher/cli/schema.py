"""`dispatcher schema`: the JSON Schema of the configuration."""

import argparse
import sys
from typing import Final

from dispatcher.config import schema

NAME: Final = "schema"
HELP: Final = "print the JSON Schema of the configuration, for editors"


def add(_parser: argparse.ArgumentParser) -> None:
    """Take nothing."""


def run(_arguments: argparse.Namespace) -> int:
    """Print it."""
    sys.stdout.write(schema())
    return 0
