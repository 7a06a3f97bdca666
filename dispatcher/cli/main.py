"""The command line. Exit codes: 0 success, 1 something failed, 2 the configuration or the command line is wrong.

Also 143 or 130, when a second SIGTERM or SIGINT has ended the service at once.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Final, Protocol, cast

from dispatcher.cli.options import WRONG_CONFIG, end_help
from dispatcher.config import BadConfig
from dispatcher.config.problems import did_you_mean
from dispatcher.core.text import visible
from dispatcher.livekit.webhook import quiet_short_secrets
from dispatcher.offline import Unusable

NAMES: Final = (  # as `--help` lists them; each is a file of this folder
    *("serve", "check", "doctor", "demo"),
    *("status", "rooms", "explain", "dispatch", "retry", "look"),
    *("agents", "pause", "resume"),
    *("launcher", "launches"),
    *("send-test", "notify-test", "healthcheck", "schema", "rules", "replay"),
    *("fake-livekit", "completion"),
)
_OF_ALL: Final = "completion"  # the command that speaks of all the others


class Command(Protocol):
    """What the file of a command has."""

    NAME: str
    HELP: str
    EXAMPLE: str
    READS: Sequence[str]
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def commands(names: Iterable[str] = NAMES) -> Iterator[Command]:
    """The commands of these names. Only their files are imported: all of them take two seconds."""
    for name in names:
        yield cast("Command", import_module(f"dispatcher.cli.{name.replace('-', '_')}"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    typed = sys.argv[1:] if argv is None else argv
    alone = bool(typed) and typed[0] in NAMES and typed[0] != _OF_ALL
    parser = _parser(typed[:1] if alone else NAMES)
    if not typed:
        parser.print_help(sys.stderr)
        return WRONG_CONFIG
    if not typed[0].startswith("-") and typed[0] not in NAMES:
        parser.error(f"no command is called '{visible(typed[0])}'{did_you_mean(typed[0], NAMES)}")
    arguments = parser.parse_args(typed)
    quiet_short_secrets()
    try:
        code: int = arguments.run(arguments)
    except (BadConfig, Unusable) as bad:
        sys.stderr.write(f"{bad}\n")
        return WRONG_CONFIG
    return code


def _parser(names: Iterable[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dispatcher",
        description="The right LiveKit agent in every room. Exactly one.",
        epilog="`dispatcher COMMAND --help` says more. See it work: dispatcher demo",
    )
    parser.add_argument("--version", action="version", version=version("livekit-dispatcher"))
    known = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands(names):
        says = f"{command.HELP[0].upper()}{command.HELP[1:]}."
        own = known.add_parser(command.NAME, help=command.HELP, description=says)
        command.add(own)
        end_help(own, command.EXAMPLE, command.READS)
        own.set_defaults(run=command.run, parser=parser)
    return parser
