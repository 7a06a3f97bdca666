"""Size budgets: when one bites, the design is asked, not the limit."""

import ast
from collections.abc import Iterator

import pytest

from tests.gates.tree import ROOT, repository_files

FUNCTION_LINES = 40
CLASS_LINES = 150
FILE_LINES = {"dispatcher": 300, "tests": 500, "bench": 300, "examples": 300, "release": 300}


def over_budget(source: str, file_lines: int) -> Iterator[str]:
    """One line for each thing that is too long."""
    if (length := len(source.splitlines())) > file_lines:
        yield f"file: {length} lines of {file_lines}"
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                limit = FUNCTION_LINES
            case ast.ClassDef(name=name):
                limit = CLASS_LINES
            case _:
                continue
        if (length := lines_of(node)) > limit:
            yield f"{name}: {length} lines of {limit}"


def lines_of(node: ast.stmt) -> int:
    """From `def` or `class` to the end, the docstring included."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_every_file_function_and_class_is_within_its_budget() -> None:
    """No file, function or class is longer than its budget."""
    found = [
        f"{path.relative_to(ROOT)}: {problem}"
        for path in repository_files()
        if path.suffix == ".py" and (top := path.relative_to(ROOT).parts[0]) in FILE_LINES
        for problem in over_budget(path.read_text(), FILE_LINES[top])
    ]

    assert not found, "\n".join(found)


def test_every_file_of_the_page_is_within_its_budget() -> None:
    """No script, style or document of ours is longer than a file of the package; what others publish is theirs."""
    own = [
        path for path in (ROOT / "dispatcher").rglob("static/**/*") if path.is_file() and path.parent.name != "vendor"
    ]

    assert {path.suffix for path in own} == {".css", ".html", ".js", ".svg"}
    assert [path for path in own if len(path.read_text().splitlines()) > FILE_LINES["dispatcher"]] == []


def test_the_page_is_small() -> None:
    """All that a browser gets, before compression, what others publish included: docs/page.md says how much."""
    files = [path for path in (ROOT / "dispatcher").rglob("static/**/*") if path.is_file() and path.suffix != ".txt"]

    assert 0 < sum(path.stat().st_size for path in files) <= 120_000


def body(lines: int) -> str:
    """A function or class body of so many lines."""
    return "    x = 1\n" * lines


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("def f():\n" + body(39), []),
        ("def f():\n" + body(40), ["f: 41 lines of 40"]),
        ("async def f():\n" + body(40), ["f: 41 lines of 40"]),
        ("class C:\n" + body(149), []),
        ("class C:\n" + body(150), ["C: 151 lines of 150"]),
        ("x = 1\n" * 300, []),
        ("x = 1\n" * 301, ["file: 301 lines of 300"]),
        ("class C:\n    def f(self):\n" + "        x = 1\n" * 40, ["f: 41 lines of 40"]),
    ],
)
def test_one_line_too_many_is_found(source: str, problems: list[str]) -> None:
    """A budget holds to the line, for functions inside classes too."""
    assert list(over_budget(source, 300)) == problems
