"""Options of several commands: the file, the project, the address of a running service."""

import argparse
import os
from pathlib import Path

WRONG_CONFIG = 2  # the exit code of a configuration, or a command line, that is wrong


def take_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument(
        "--config",
        type=Path,
        help="the configuration file; default: $DISPATCHER_CONFIG, else ./dispatcher.yaml if it exists",
    )


def take_project(parser: argparse.ArgumentParser, whose: str) -> None:
    """Add `--project`."""
    parser.add_argument("--project", help=f"{whose}; default: the first project's")


def take_url(parser: argparse.ArgumentParser) -> None:
    """Add `--url`, of a service on this machine unless somebody says otherwise."""
    here = f"http://127.0.0.1:{os.environ.get('DISPATCHER_PORT') or 8080}"
    parser.add_argument("--url", default=here, help=f"the running service; default: {here}")
