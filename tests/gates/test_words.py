"""The words that people type and read, commands and the log's actions, are those of the documents, and the reverse."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from string import Formatter

import pytest

from dispatcher.cli.main import NAMES
from dispatcher.core.timeline import Said
from dispatcher.telemetry.sentences import ACTIONS
from tests.gates.tree import ROOT, modules

LEVELS = ("info", "warning", "error")


def commands_named(document: str) -> set[str]:
    """Every `dispatcher COMMAND` in code, be it a span or a block."""
    code = re.findall(r"```.*?```|`[^`\n]+`", document, re.DOTALL)
    return set(re.findall(r"(?:`|\$ )dispatcher ([a-z][a-z-]*)", " ".join(code)))


def actions_named(document: str) -> dict[str, set[str]]:
    """Every action that stands first in a row of a table, with its levels."""
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| ([a-z, ]+) \|", document, re.MULTILINE)
    return {action: set(levels.split(", ")) for action, levels in rows}


def lines_tabled(document: str) -> set[str]:
    """What stands first in each row of the tables whose first column is headed "log line"."""
    tables = re.findall(r"^\| log line \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", document, re.MULTILINE)
    return {action for rows in tables for action in re.findall(r"^\| `([^`]+)` \|", rows, re.MULTILINE)}


def actions_written(source: str, module: str) -> set[str]:
    """Every action that the module gives to a log: as text, or by the name of a constant."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
    return {action for call in calls if is_log(call.func) for action in texts(call.args[0], module)}


def is_log(called: ast.expr) -> bool:
    """Whether what is called writes a line."""
    match called:
        case ast.Attribute(value=ast.Name(id=log) | ast.Attribute(attr=log), attr=level) if level in LEVELS:
            return log.endswith("log")
        case ast.Name(id="write" | "say"):
            return True
    return False


def texts(action: ast.expr, module: str) -> set[str]:
    """The action's text, if it is a constant."""
    match action:
        case ast.Constant(value=str(text)) if re.fullmatch(r"[a-z_]+\.[a-z_]+", text):
            return {text}
        case ast.Name(id=name) if name.isupper():
            return {str(getattr(import_module(f"dispatcher.{module}"), name))}
        case ast.Attribute(value=ast.Name(id=enum), attr=name) if name.isupper():
            return {str(getattr(getattr(import_module(f"dispatcher.{module}"), enum), name))}
    return set()


def test_every_action_of_the_log_is_documented_and_the_reverse() -> None:
    """docs/logs.md and the code hold the same; an entry of the timeline is an action as well."""
    written = {action for name, path in modules().items() for action in actions_written(path.read_text(), name)}
    named = actions_named((ROOT / "docs/logs.md").read_text())

    assert set(named) == written | {str(said) for said in Said}
    assert set().union(*named.values()) <= set(LEVELS)


def test_a_page_that_explains_lines_of_the_log_calls_them_as_the_log_does() -> None:
    """Whoever searches the log for a word of another page finds it."""
    tabled = set[str]().union(*(lines_tabled(path.read_text()) for path in (ROOT / "docs").glob("*.md")))

    assert tabled
    assert tabled - set(ACTIONS) == set()


def test_every_action_has_its_sentence_and_no_other_has() -> None:
    """What a person reads of a line stands in one table."""
    written = {action for name, path in modules().items() for action in actions_written(path.read_text(), name)}

    assert set(ACTIONS) == written | {str(said) for said in Said}


def test_a_sentence_says_nothing_that_its_line_does_not_have() -> None:
    """Each name in braces is a field of every line of that action, as far as its call says so."""
    calls = [pair for path in modules().values() for pair in lines_written(path.read_text())]

    assert {action for action, _ in calls} > {"look.failed", "sweep.prolonged", "service.started"}
    assert [(action, named - fields) for action, fields in calls if (named := names_in(ACTIONS[action])) - fields] == []


def lines_written(source: str) -> Iterator[tuple[str, set[str]]]:
    """Every action that is given to a log as text, with its fields; of what `bind` or `**` add nothing can be said."""
    for call in ast.walk(ast.parse(source)):
        match call:
            case ast.Call(func=func, args=[ast.Constant(value=str(action)), *_], keywords=fields) if is_log(func):
                if action in ACTIONS and None not in (given := {one.arg for one in fields}):
                    yield action, {str(name) for name in given}


def names_in(template: str) -> set[str]:
    """The fields that a sentence names."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_every_command_is_in_the_readme_and_no_document_names_another() -> None:
    """Nobody is sent to a command that is not there."""
    existing = set(NAMES)
    documents = [path.read_text() for path in (ROOT / "docs").rglob("*.md")]

    assert commands_named((ROOT / "README.md").read_text()) == existing
    assert set().union(*map(commands_named, documents)) <= existing


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("log.info('agent.joined')", {"agent.joined"}),
        ("self.log.error(SWEPT)", {"swept"}),
        ("write = log.error\nwrite('look.failed', why=1)", {"look.failed"}),
        ("print('agent.joined'); write('A sentence.'); catalog.inform('x.y'); log.bind('x.y')", set()),
    ],
)
def test_actions_are_recognised(source: str, written: set[str]) -> None:
    """However they are written."""
    assert actions_written(source, "engine.sweep") == written


def test_lines_are_read_from_their_own_tables_alone() -> None:
    """A row of another table is none, nor is what stands in a second column."""
    tables = "| log line | means |\n|---|---|\n| `a.b` | `c.d` |\n\n| field | means |\n|---|---|\n| `e.f` | x |\n"

    assert lines_tabled(tables) == {"a.b"}


def test_commands_are_recognised() -> None:
    """In spans and blocks, with what follows; a sentence is none."""
    assert commands_named(
        "`dispatcher send-test --url` and\n```console\n$ dispatcher check\n```\nthe dispatcher runs"
    ) == {
        "send-test",
        "check",
    }
