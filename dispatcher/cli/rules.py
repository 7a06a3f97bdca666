"""`dispatcher rules test` and `dispatcher rules explain`: try the rules without a LiveKit."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dispatcher import offline
from dispatcher.cli.options import RULES, end_help, take_config, take_project
from dispatcher.config import load_offline
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
    explain = trials.add_parser("explain", help="say which rule matches a webhook, and why the others do not")
    explain.add_argument(
        "--event", required=True, type=Path, metavar="FILE", help="the webhook's body, or a recording of it"
    )
    explain.set_defaults(trying=_explain)
    for trial, example in ((test, EXAMPLE), (explain, "dispatcher rules explain --event body.json")):
        end_help(trial, example, READS)
        take_project(trial, "the project whose rules to try")
        take_config(trial)


def run(arguments: argparse.Namespace) -> int:
    """Run the one that was asked for."""
    code: int = arguments.trying(arguments)
    return code


def _test(arguments: argparse.Namespace) -> int:
    failed, report = offline.rehearse(_rules(arguments), arguments.files)
    _write(report)
    return 1 if failed else 0


def _explain(arguments: argparse.Namespace) -> int:
    _write(list(offline.explain(_rules(arguments), arguments.event)))
    return 0


def _rules(arguments: argparse.Namespace) -> tuple[Rule, ...]:
    config = load_offline(arguments.config, os.environ)
    return config.rules_of(offline.project_of(config, arguments.project))


def _write(report: Sequence[str]) -> None:
    sys.stdout.write("\n".join(report) + "\n")
