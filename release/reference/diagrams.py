"""The diagrams, drawn from the code that they show: who may import whom, and where an assignment stands."""

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from html import escape
from textwrap import wrap
from typing import Final

WIDTH: Final = 960
LINE: Final = 17
LETTER: Final = 7  # the width of one, on average
PAD: Final = 12
STYLE: Final = """<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .name { font-weight: 600 } .code { font-family: ui-monospace, monospace }
  rect { fill: #f6f8fa; stroke: #8c959f } .page { fill: #ffffff; stroke: none } path { fill: none; stroke: #57606a }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } rect { fill: #161b22; stroke: #6e7681 } .page { fill: #0d1117 } path { stroke: #8b949e }
  }
</style>
"""
MEANING: Final = {  # of each state, for people
    "SERVED": "its agent is in the room",
    "FINISHED": "it is over: the agent said so, or it was cancelled",
    "PAUSED": "somebody needs the agent, and it is paused",
    "STARVED": "all targets have used their attempts: it goes on slowly",
    "REQUESTED": "an agent has been asked for, and has not been seen",
    "WAITING": "an agent is to be asked for, soon",
    "IDLE": "nobody is there who needs one",
}


def states(session: str) -> str:
    """The source of `Assignment.state`, as a ladder: the first rung that holds is where the assignment stands."""
    rungs = list(_rungs(session))
    drawn, top = [], PAD
    for index, (condition, state) in enumerate(rungs):
        asked = condition or "none of these"
        drawn += _box(PAD, top, 470, [asked], css="code")
        drawn += _box(560, top, WIDTH - 560 - PAD, [state.lower(), MEANING[state]])
        drawn.append(_arrow(482, top + 24, 560, top + 24, "yes" if condition else ""))
        if index < len(rungs) - 1:
            drawn.append(_arrow(247, top + 48, 247, top + 80, "no"))
        top += 80
    return _svg("Where an assignment stands: the first question that is answered with yes says it", top - 20, drawn)


def rooms(project: str, architecture: str) -> str:
    """The layers of pyproject.toml, top to bottom, each room with its line in docs/architecture.md."""
    contract = tomllib.loads(project)["tool"]["importlinter"]["contracts"][0]
    layers = [[name.strip(" ()") for name in layer.split("|")] for layer in contract["layers"]]
    holds = dict(re.findall(r"^\| \*\*([a-z]+)\*\* \| (.+?) \|$", architecture, re.MULTILINE))
    holds["app"] = "the composition root"
    drawn: list[str] = []
    top = PAD
    for layer in [[name for name in names if name in holds] for names in layers]:
        if not layer:
            continue
        width = (WIDTH - PAD * (len(layer) + 1)) // len(layer)
        fitting = (width - 2 * PAD) // LETTER
        texts = [[name, *wrap(holds[name].replace("`", ""), fitting)] for name in layer]
        height = PAD + LINE * max(map(len, texts)) + 4
        for index, lines in enumerate(texts):
            drawn += _box(PAD + index * (width + PAD), top, width, lines, height=height)
        top += height + PAD
    return _svg("The rooms of the code: each knows those below it, and none beside or above it", top, drawn)


def _rungs(session: str) -> Iterator[tuple[str, str]]:
    """Each condition of the property, as it is written, with its state; the last has none."""
    tree = ast.parse(session)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "state"]
    for statement in found[0].body:
        match statement:
            case ast.If(test=test, body=[ast.Return(value=ast.Attribute(attr=state))]):
                yield _plain(test), state
            case ast.Return(
                value=ast.IfExp(test=test, body=ast.Attribute(attr=state), orelse=ast.Attribute(attr=otherwise))
            ):
                yield _plain(test), state
                yield "", otherwise
            case _:
                raise ValueError(f"Assignment.state has grown: draw line {statement.lineno} of session.py, too")


def _plain(test: ast.expr) -> str:
    return ast.unparse(test).replace("self.", "")


def _box(x: int, y: int, width: int, lines: Sequence[str], *, css: str = "", height: int = 48) -> list[str]:
    """A box with lines of text; without a style of its own the first line is a name."""
    texts = [
        f'<text class="{css or ("name" if index == 0 else "text")}" x="{x + PAD}" y="{y + 18 + index * LINE}">'
        f"{escape(line)}</text>"
        for index, line in enumerate(lines)
    ]
    return [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>', *texts]


def _arrow(x: int, y: int, to_x: int, to_y: int, said: str) -> str:
    along = x != to_x
    head = f"M{to_x - 7},{to_y - 4} L{to_x},{to_y} L{to_x - 7},{to_y + 4}"
    if not along:
        head = f"M{to_x - 4},{to_y - 7} L{to_x},{to_y} L{to_x + 4},{to_y - 7}"
    at = f'x="{(x + to_x) // 2 - 10}" y="{y - 6}"' if along else f'x="{x + 8}" y="{(y + to_y) // 2 + 5}"'
    return f'<path d="M{x},{y} L{to_x},{to_y} {head}"/>' + (f"<text {at}>{said}</text>" if said else "")


def _svg(title: str, height: int, drawn: Sequence[str]) -> str:
    inside = "\n".join(drawn)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<title>{escape(title)}</title>\n{STYLE}'
    return f'{head}<rect class="page" width="{WIDTH}" height="{height}"/>\n{inside}\n</svg>\n'
