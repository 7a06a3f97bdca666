"""The page of figures, and its plot."""

from pathlib import Path
from xml.etree import ElementTree as ET

from bench.field import contenders
from bench.field.load import Figures
from bench.field.rows import Row
from bench.field.saturation import Saturation
from bench.plot import HIGH, LEFT, TOP, WIDE, Panel, Scale, plot
from bench.results import Field, Growth, Results, Table, keep, machine, page

SVG = "{http://www.w3.org/2000/svg}"


def row(name: str, rate: float, ms: float) -> Row:
    """Somebody who answers, and asks, so fast."""
    return Row.of(name, rate, 1.0, 60, Figures(rooms=1, acknowledged=[ms], created=[ms], calls=1))


def found() -> Field:
    """Two of them, at two rates."""
    rates = [row(contenders.AIOHTTP, rate, 1.5) for rate in (20, 50)] + [row("ours", rate, 3.0) for rate in (20, 50)]
    return Field(["a machine"], rates, rates[:1], rates[:1], [Saturation("ours", 280, 12.0, "ack p99 11 ms at 300")])


def test_the_page_has_figures_ratios_and_the_rate_that_is_held() -> None:
    """And each table of how cost grows."""
    growth = Growth(["another machine"], [Table("Sessions", "live ones", ["sessions", "MB"], [["1,000", "80"]])])
    said = page(Results(found(), growth))

    assert "- a machine" in said
    assert "| ours | 50 |" in said
    assert "| ours | 50 | 1.00x | 1.00x | 2.00x | 2.00x | 2.00x | 2.00x | 1.00x |" in said
    assert "| ours | 280 | 12.0 | ack p99 11 ms at 300 |" in said
    assert "### Sessions\n\nlive ones\n\n| sessions | MB |\n| --- | --: |\n| 1,000 | 80 |" in said


def test_what_one_benchmark_keeps_leaves_what_the_other_has_kept(tmp_path: Path) -> None:
    """And the page can be made again without measuring."""

    def field(results: Results) -> None:
        results.field = found()

    def growth(results: Results) -> None:
        results.growth = Growth(["another machine"], [])

    keep(field, tmp_path)
    keep(growth, tmp_path)
    said = (tmp_path / "results.md").read_text()
    assert "a machine" in said
    assert "another machine" in said
    keep(lambda _: None, tmp_path)
    assert (tmp_path / "results.md").read_text() == said
    assert (tmp_path / "results.svg").exists()


def test_the_machine_is_described() -> None:
    """With what it ran."""
    said = " ".join(machine())
    assert all(word in said for word in ("cores", "Python 3.", "livekit-api 1.", "express 5.", "20"))


def test_a_plot_has_a_line_for_each_name_in_each_panel() -> None:
    """Of one colour, and a mark for each of its points."""
    lines = {"a < b": [(20.0, 1.5), (50.0, 250.0)], "c": [(20.0, 0.0), (50.0, 3.0)]}
    root = ET.fromstring(plot([Panel("one", "rooms/s", lines), Panel("two", "rooms/s", lines)]))  # noqa: S314 our own

    assert len(root.findall(f".//{SVG}circle")) == 8
    drawn = [(path.findtext(f"{SVG}title"), path.get("stroke")) for path in root.iter(f"{SVG}path") if len(path)]
    assert len(drawn) == 4
    assert len(set(drawn)) == 2
    assert {text.text for text in root.iter(f"{SVG}text")} >= {
        "one",
        "two",
        "rooms/s",
        "20",
        "50",
        "1",
        "1000",
        "a < b",
    }


def test_a_decade_is_as_high_as_another() -> None:
    """Everything lies within the panel, what is 0 too."""
    scale = Scale.of({"a": [(0, 2.0), (100, 700.0)]})
    heights = [scale.place(50, 10.0**decade)[1] for decade in range(4)]

    assert scale.decades == (0, 3)
    assert heights == sorted(heights, reverse=True)
    assert abs((heights[0] - heights[1]) - (heights[2] - heights[3])) < 1e-9
    assert scale.place(50, 0)[1] == heights[0] < HIGH
    assert scale.place(0, 1000) == (LEFT, TOP)
    assert scale.place(100, 1)[0] < WIDE


def test_a_plot_of_nothing_is_one_too() -> None:
    """An empty one."""
    assert ET.fromstring(plot([Panel("one", "rooms/s", {})])).findall(f".//{SVG}circle") == []  # noqa: S314 our own
