"""`dispatcher rules test` and `dispatcher rules explain`: try the rules; of a live room the running service says."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dispatcher import offline
from dispatcher.cli.explain import explain_live
from dispatcher.cli.options import RULES, end_help, take_config, take_project, take_url
from dispatcher.config import load_offline
from dispatcher.core.facts import STANDARD
from dispatcher.core.rules import Rule

NAME: Final = "rules"
HELP: Final = "try the rules without a LiveKit"
EXAMPLE: Final = "dispatcher rules test cases.yaml"
READS: Final = RULES


def add(parser: argparse.ArgumentParser) -> None:
    """Add both commands."""
    trials = parser.add_subparsers(dest="trial", required=True, metavar="COMMAND")
    test = trials.add_parser("test", help="run cases: exit code 0, 1 if a case fails, 2 if the cases cannot be run")
    test.add_argument("files", nargs="+", type=Path, metavar="FILE", help="cases in YAML")
    test.set_defaults(trying=_test)
    explain = trials.add_parser(
        "explain",
        help="say which rule matches somebody, and why the others do not",
        description="Say which rule matches: in a webhook, in a room that you describe, or in a live one.",
    )
    which = explain.add_mutually_exclusive_group(required=True)
    which.add_argument("--event", type=Path, metavar="FILE", help="the webhook's body, or a recording of it")
    which.add_argument("--room", metavar="NAME", help="a room of this name, which somebody has joined")
    which.add_argument("--live", metavar="ROOM", help="everybody in this room now: asks the running service")
    _describe(explain.add_argument_group("with --room"))
    take_url(explain, admin=True)
    explain.set_defaults(trying=_explain)
    for trial, example in (
        (test, EXAMPLE),
        (explain, "dispatcher rules explain --room lobby --kind SIP --attribute sip.trunkPhoneNumber=+442079460000"),
    ):
        end_help(trial, example, READS)
        take_project(trial, "the project whose rules to try")
        take_config(trial)


def _describe(group: argparse._ArgumentGroup) -> None:
    """Add what a room, and who has joined it, may be like."""
    group.add_argument("--metadata", default="", metavar="JSON", help="the room's metadata")
    group.add_argument("--identity", default="somebody", help="of who has joined; default: somebody")
    group.add_argument("--kind", default=STANDARD, help=f"of who has joined; default: {STANDARD}")
    group.add_argument("--participant-metadata", default="", metavar="JSON", help="of who has joined")
    group.add_argument("--attribute", action="append", default=[], metavar="KEY=VALUE", help="of who has joined")


def run(arguments: argparse.Namespace) -> int:
    """Run the one that was asked for."""
    code: int = arguments.trying(arguments)
    return code


def _test(arguments: argparse.Namespace) -> int:
    failed, report = offline.rehearse(_rules(arguments), arguments.files)
    _write(report)
    return 1 if failed else 0


def _explain(arguments: argparse.Namespace) -> int:
    if arguments.live is not None:
        return explain_live(arguments.url, arguments.live)
    if arguments.event is not None:
        _write(list(offline.explain(_rules(arguments), arguments.event)))
        return 0
    here = offline.described(
        offline.Described(
            room=arguments.room,
            metadata=arguments.metadata,
            identity=arguments.identity,
            kind=arguments.kind,
            participant_metadata=arguments.participant_metadata,
            attributes=arguments.attribute,
        )
    )
    _write(list(offline.told(_rules(arguments), here)))
    return 0


def _rules(arguments: argparse.Namespace) -> tuple[Rule, ...]:
    config = load_offline(arguments.config, os.environ)
    return config.rules_of(offline.project_of(config, arguments.project))


def _write(report: Sequence[str]) -> None:
    sys.stdout.write("\n".join(report) + "\n")
