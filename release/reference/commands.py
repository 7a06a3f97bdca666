"""docs/cli.md: every command with its arguments, as its parser knows them."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dispatcher.cli.main import Command, commands

HEAD: Final = """# The command line

Made of the commands themselves by `python -m release.reference --write`; a test compares. Every command has `--help`.
Exit codes: [the process](process.md#exit-codes); variables: [configuration](configuration.md#environment).
"""


def command_line() -> str:
    """The page."""
    with _nothing_set():
        return HEAD + "".join(f"\n{_command(command)}" for command in commands())


def _command(command: Command) -> str:
    parser = argparse.ArgumentParser(prog=f"dispatcher {command.NAME}")
    command.add(parser)
    reads = ", ".join(f"`{name}`" for name in command.READS)
    return "".join(
        [
            f"## `dispatcher {command.NAME}`\n\n{_sentence(command.HELP)}\n\n",
            f"```console\n$ {command.EXAMPLE}\n```\n",
            *_arguments(parser),
            *_nested(parser),
            f"\nReads {reads}.\n" if reads else "",
        ]
    )


def _nested(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The commands of a command."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            helps = {one.dest: one.help for one in action._choices_actions}  # noqa: SLF001
            for name, own in action.choices.items():
                yield f"\n### `{own.prog}`\n\n{_sentence(helps.get(name) or '')}\n"
                yield from _arguments(own)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    rows = [
        f"| {_written(action)} | {_cell(action.help or '')} |\n"
        for action in parser._actions  # noqa: SLF001
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)  # noqa: SLF001
    ]
    if rows:
        yield "\n| argument | |\n|---|---|\n"
        yield from rows


def _written(action: argparse.Action) -> str:
    """As one types it."""
    metavar = action.metavar if isinstance(action.metavar, str) else None
    value = metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return f"`{_cell(value)}`"
    takes = action.nargs != 0
    return ", ".join(f"`{option} {_cell(value)}`" if takes else f"`{option}`" for option in action.option_strings)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _cell(text: str) -> str:
    return " ".join(text.replace("%%", "%").split()).replace("|", "\\|")


@contextmanager
def _nothing_set() -> Iterator[None]:
    """Defaults that are taken from the environment are those of an empty one."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("DISPATCHER_", "LIVEKIT_", "REDIS_")):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)
