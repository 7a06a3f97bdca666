"""`dispatcher schema`: the JSON Schema of the configuration."""

import argparse
import sys
from typing import Final

from dispatcher.config import schema

NAME: Final = "schema"
HELP: Final = "print the JSON Schema of the configuration, for editors"
EXAMPLE: Final = "dispatcher schema > dispatcher.schema.json"
READS: Final = ()


def add(_parser: argparse.ArgumentParser) -> None:
    """Declare no options."""


def run(_arguments: argparse.Namespace) -> int:
    """Print the schema."""
    sys.stdout.write(schema())
    return 0
