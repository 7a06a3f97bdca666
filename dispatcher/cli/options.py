"""Options of several commands: the file, the project, the address of a running service."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Final

from dispatcher.config import Source
from dispatcher.config.environment import HIDDEN, service_url
from dispatcher.config.lk import LK_FILE, with_lk_project

LIVEKIT: Final = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_KEYS")
RULES: Final = ("DISPATCHER_CONFIG", "DISPATCHER_AGENT")
LISTENS: Final = ("DISPATCHER_HOST", "DISPATCHER_PORT")
EVERYTHING: Final = (*LIVEKIT, *RULES, *LISTENS, "DISPATCHER_ADMIN_PORT", *HIDDEN)
SERVICE: Final = ("DISPATCHER_API_TOKEN", "DISPATCHER_API_TOKEN_FILE", *LISTENS, "DISPATCHER_ADMIN_PORT")
WEBHOOK: Final = "/webhook"

WRONG_CONFIG = 2  # the exit code of a configuration, or a command line, that is wrong


def take_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument(
        "--config",
        type=Path,
        help="the configuration file; default: $DISPATCHER_CONFIG, else ./dispatcher.yaml if it exists",
    )


def take_connection(parser: argparse.ArgumentParser) -> None:
    """Add `--lk-project` and `--config`."""
    whose = f"connect to this project of lk's, LiveKit's own command: the URL, key and secret in ~/{LK_FILE}"
    parser.add_argument("--lk-project", metavar="NAME", help=whose)
    take_config(parser)


def source_of(arguments: argparse.Namespace, *, ruled: bool = False) -> Source:
    """Where the configuration comes from; of loose permissions of lk's file is warned. Raises BadConfig."""
    if arguments.lk_project is None:
        return Source(arguments.config, os.environ, ruled=ruled)
    environ, warnings = with_lk_project(arguments.lk_project, arguments.config, os.environ, Path.home())
    sys.stderr.write("".join(f"{warning}\n" for warning in warnings))
    return Source(arguments.config, environ, ruled=ruled)


def take_project(parser: argparse.ArgumentParser, whose: str) -> None:
    """Add `--project`."""
    parser.add_argument("--project", help=f"{whose}; default: the first project's")


def take_url(parser: argparse.ArgumentParser, *, admin: bool = False) -> None:
    """Add `--url`, of a service on this machine unless somebody says otherwise; `admin`: where its API is."""
    here = service_url(os.environ, admin=admin)
    parser.add_argument("--url", type=base, default=here, help=f"the running service; default: {here}")


def base(url: str) -> str:
    """The service's URL without the slash or the path of the webhook at its end: as `serve` prints it is right, too."""
    return url.rstrip("/").removesuffix(WEBHOOK).rstrip("/")


def end_help(parser: argparse.ArgumentParser, example: str, reads: Sequence[str]) -> None:
    """Let the command's help end with an example, and with the variables that it reads."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parts = [parser.epilog or "", f"example:\n  {example}"]
    if reads:
        names = fill(", ".join(reads), initial_indent="  ", subsequent_indent="  ")
        parts.append(f"environment (docs/configuration.md):\n{names}")
    parser.epilog = "\n\n".join(filter(None, parts))
