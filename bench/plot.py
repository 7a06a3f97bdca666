"""A plot as an SVG, for light and dark: panels side by side, a line for each name, the upright axis in decades."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

Points = Sequence[tuple[float, float]]

WIDE: Final = 400  # a panel, all in pixels
HIGH: Final = 260
LEFT: Final = 52  # of the axes
TOP: Final = 34
BELOW: Final = 44
LEGEND: Final = 22
COLOURS: Final = ("#8a8f98", "#e69f00", "#cc79a7", "#1f9e77", "#2f8fe0", "#d55e00")
STYLE: Final = """
  text { font: 12px system-ui, sans-serif; fill: #444c56 } .title { font-weight: 600 } .y { text-anchor: end }
  .x { text-anchor: middle } .grid { stroke: #8a8f98; stroke-opacity: .3 } .line { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) { text { fill: #c9d1d9 } }
"""


class Panel(NamedTuple):
    """One plot: lines by name, of which no value is below 0."""

    title: str
    across: str  # what the lying axis counts
    lines: Mapping[str, Points]


class Scale(NamedTuple):
    """Where values lie in a panel."""

    x: tuple[float, float]  # the least and the most
    decades: tuple[int, int]

    @classmethod
    def of(cls, lines: Mapping[str, Points]) -> "Scale":
        """All values fit."""
        points = [point for line in lines.values() for point in line]
        xs, ys = [x for x, _ in points] or [0, 1], [y for _, y in points if y > 0] or [1]
        low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
        return cls((min(0, *xs), max(xs)), (low, max(high, low + 1)))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels, from the panel's upper left; what is 0 lies at the bottom."""
        (left, right), (low, high) = self.x, self.decades
        share = (math.log10(y) - low) / (high - low) if y > 0 else 0
        across = (x - left) / (right - left)
        return LEFT + across * (WIDE - LEFT - 20), TOP + (1 - share) * (HIGH - TOP - BELOW)


def plot(panels: Sequence[Panel]) -> str:
    """The SVG."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    wide, high = WIDE * len(panels), HIGH + LEGEND * ((len(names) + 2) // 3) + 8
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}">'
    drawn = [_panel(panel, colours, number * WIDE) for number, panel in enumerate(panels)]
    legend = [_entry(name, colours[name], number, wide) for number, name in enumerate(names)]
    return "\n".join([head, f"<style>{STYLE}</style>", *drawn, *legend, "</svg>\n"])


def _panel(panel: Panel, colours: Mapping[str, str], left: int) -> str:
    scale = Scale.of(panel.lines)
    right, bottom = WIDE - 20, HIGH - BELOW
    parts = [f'<text class="title" x="{LEFT}" y="18">{escape(panel.title)}</text>']
    for decade in range(scale.decades[0], scale.decades[1] + 1):
        _, y = scale.place(0, 10.0**decade)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text class="y" x="{LEFT - 6}" y="{y + 4:.1f}">{10.0**decade:g}</text>')
    for value in sorted({x for line in panel.lines.values() for x, _ in line}):
        x, _ = scale.place(value, 1)
        parts.append(f'<text class="x" x="{x:.1f}" y="{bottom + 18}">{value:g}</text>')
    parts.append(f'<text class="x" x="{(LEFT + right) / 2}" y="{bottom + 36}">{escape(panel.across)}</text>')
    for name, line in panel.lines.items():
        places = [scale.place(*point) for point in line]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path class="line" stroke="{colours[name]}" d="{path}"><title>{escape(name)}</title></path>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colours[name]}"/>' for x, y in places]
    return f'<g transform="translate({left} 0)">\n' + "\n".join(parts) + "\n</g>"


def _entry(name: str, colour: str, number: int, wide: int) -> str:
    x, y = LEFT + number % 3 * (wide - LEFT) / 3, HIGH + 12 + LEGEND * (number // 3)
    swatch = f'<path class="line" stroke="{colour}" d="M{x:.0f} {y - 4}h20"/>'
    return f'{swatch}<text x="{x + 26:.0f}" y="{y}">{escape(name)}</text>'
