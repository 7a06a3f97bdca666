"""The command line. Exit codes: 0 success, 1 something failed, 2 the configuration or the command line is wrong.

Also 143 or 130, when a second SIGTERM or SIGINT has ended the service at once.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from dispatcher.cli import (
    agents,
    check,
    completion,
    demo,
    dispatch,
    doctor,
    explain,
    fake_livekit,
    healthcheck,
    launcher,
    launches,
    look,
    notify_test,
    pause,
    replay,
    resume,
    retry,
    rooms,
    rules,
    schema,
    send_test,
    serve,
)
from dispatcher.cli.options import WRONG_CONFIG, end_help
from dispatcher.config import BadConfig
from dispatcher.config.problems import did_you_mean
from dispatcher.core.text import visible
from dispatcher.livekit.webhook import quiet_short_secrets
from dispatcher.offline import Unusable

COMMANDS = (  # as `--help` lists them
    *(serve, check, doctor, demo),
    *(rooms, explain, dispatch, retry, look),
    *(agents, pause, resume),
    *(launcher, launches),
    *(send_test, notify_test, healthcheck, schema, rules, replay),
    *(fake_livekit, completion),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    typed = sys.argv[1:] if argv is None else argv
    parser = _parser()
    if not typed:
        parser.print_help(sys.stderr)
        return WRONG_CONFIG
    if not typed[0].startswith("-") and typed[0] not in (names := [command.NAME for command in COMMANDS]):
        parser.error(f"no command is called '{visible(typed[0])}'{did_you_mean(typed[0], names)}")
    arguments = parser.parse_args(typed)
    quiet_short_secrets()
    try:
        code: int = arguments.run(arguments)
    except (BadConfig, Unusable) as bad:
        sys.stderr.write(f"{bad}\n")
        return WRONG_CONFIG
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dispatcher",
        description="The right LiveKit agent in every room. Exactly one.",
        epilog="`dispatcher COMMAND --help` says more. See it work: dispatcher demo",
    )
    parser.add_argument("--version", action="version", version=version("livekit-dispatcher"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        says = f"{command.HELP[0].upper()}{command.HELP[1:]}."
        own = commands.add_parser(command.NAME, help=command.HELP, description=says)
        command.add(own)
        end_help(own, command.EXAMPLE, command.READS)
        own.set_defaults(run=command.run, parser=parser)
    return parser
