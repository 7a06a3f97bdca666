"""`dispatcher completion`: prints a script by which a shell completes commands and options.

All words stand in the script: a program that is asked at each Tab (argcomplete) would have to start, which takes a
second. The generator that writes such scripts (shtab) has a licence that we do not take (`release.inventory`).
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Final

NAME: Final = "completion"
HELP: Final = "print a script by which bash or zsh completes commands and options"
EXAMPLE: Final = "dispatcher completion bash > ~/.local/share/bash-completion/completions/dispatcher"
READS: Final = ()

_SCRIPT: Final = """\
_dispatcher() {{
  local word path="" here="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$path $word" in {paths}) path="$path $word" ;; esac
  done
  case "$path $before" in
{values}
    *) case "$path" in
{words}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$here"))
}}
complete -o default -F _dispatcher dispatcher
"""
_ZSH: Final = "#compdef dispatcher\nautoload -U +X bashcompinit && bashcompinit\n"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell that takes the script")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    sys.stdout.write(script(arguments.parser, arguments.shell))
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """A script that completes what the parser takes."""
    known = dict(_parsers(parser, ""))
    paths = "|".join(f'"{path}"' for path in known if path)
    words = [f'      "{path}") words="{" ".join(_words(one))}" ;;' for path, one in known.items()]
    values = [
        f'    "{path} {option}") words="{" ".join(map(str, action.choices))}" ;;'
        for path, one in known.items()
        for action in one._actions  # noqa: SLF001  argparse shows them nowhere else
        if action.choices
        for option in action.option_strings
    ]
    text = _SCRIPT.format(paths=paths, words="\n".join(words), values="\n".join(values))
    return f"{_ZSH}{text}" if shell == "zsh" else text


def _parsers(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parser and those of its commands, each by what was typed before."""
    yield path, parser
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, one in action.choices.items():
                yield from _parsers(one, f"{path} {name}")


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Its commands, what a positional argument may be, and its options as they are written out."""
    for action in parser._actions:  # noqa: SLF001
        if action.option_strings:
            yield action.option_strings[-1]
        else:
            yield from map(str, action.choices or ())
