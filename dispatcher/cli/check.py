"""`dispatcher check`: whether the configuration is right."""

import argparse
import os
import sys
from math import ceil
from typing import Final, assert_never

from dispatcher.cli.options import EVERYTHING, take_config
from dispatcher.config import Config, Source, load_offline, show
from dispatcher.config.types import SECRET_MIN
from dispatcher.core.retries import asked_after
from dispatcher.core.rules import Rule, Target
from dispatcher.core.text import visible
from dispatcher.expressions import Agents, Expression, Split

NAME: Final = "check"
HELP: Final = "say whether the configuration is right: exit code 0 or 2"
EXAMPLE: Final = "dispatcher check --print"
READS: Final = EVERYTHING
OFFLINE: Final = "check everything but LiveKit's address and keys, which CI does not have"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--print", action="store_true", help="show the configuration in force, without secrets")
    parser.add_argument("--offline", action="store_true", help=OFFLINE)
    take_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Say what is configured, or print all of it; warnings and hints go to standard error."""
    config = _read(arguments)
    for warning in config.warnings:
        sys.stderr.write(f"{warning}\n")
    if weak := [key for project in config.projects for key in project.weak_keys if not arguments.offline]:
        sys.stderr.write(f"hint: secrets of under {SECRET_MIN} bytes can be guessed: that of {', '.join(weak)}\n")
    for hint in config.hints:
        sys.stderr.write(f"hint: {hint}\n")
    if arguments.print:
        sys.stdout.write(show(arguments.config, os.environ, offline=arguments.offline))
        return 0
    projects = ", ".join(project.name for project in config.projects)
    rules = ", ".join(dict.fromkeys(rule.name for rule in config.rules_in_force))
    sys.stdout.write(f"{config.file or 'environment'}: right. Projects: {projects}. Rules: {rules}.\n")
    for line in map(fallbacks, config.rules_in_force):
        sys.stdout.write(line)
    for one in config.launchers:
        if one.urls:
            sys.stdout.write(f"Launcher {one.name}: asked at {', '.join(one.urls)}.\n")
    if config.ledger:
        home = config.ledger.home.capitalize()
        sys.stdout.write(f"Ledger: {home}, as instance {config.instance}; of a dry run: in memory, its own.\n")
    return 0


def fallbacks(rule: Rule) -> str:
    """By when the rule's fallback, and its last target, are asked at the latest: a line, or nothing."""
    choices = rule.aim.choices if isinstance(rule.aim, Agents) else rule.policy.targets
    if len(choices) == 1:
        return ""
    asked = sorted({1, len(choices) - 1})
    names = " and ".join(_named(choices[number]) for number in asked)
    silent, no_show = (
        " and ".join(f"{ceil(asked_after(rule.policy, number, attempt) / 1000)} s" for number in asked)
        for attempt in (rule.policy.confirm_within, rule.policy.join_within)
    )
    return (
        f"Rule {rule.name}: asks {names} after {silent} at the latest if no worker takes the job, "
        f"after {no_show} if one does and no agent joins.\n"
    )


def _named(choice: Target | Expression | Split) -> str:
    match choice:
        case Target():
            return visible(str(choice))
        case Split():
            return "one of a split"
        case Expression():
            return "an agent that is computed"
        case _:
            assert_never(choice)


def _read(arguments: argparse.Namespace) -> Config:
    if arguments.offline:
        return load_offline(arguments.config, os.environ)
    return Source(arguments.config, os.environ).read()
