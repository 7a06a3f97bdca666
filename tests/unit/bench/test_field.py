"""What the comparison with other handlers prints."""

from pathlib import Path

from bench.field import contenders
from bench.field.__main__ import HEADER, Row, times
from bench.field.load import Figures
from dispatcher.config import load_offline
from tests.chaos.replicas import settings


def row(name: str, factor: float) -> Row:
    """Somebody who takes so many times what the usual one takes, on 2 rooms."""
    spans = [factor, 4 * factor]
    return Row(
        name,
        50,
        2 * factor,
        int(60 * factor),
        Figures(rooms=2, acknowledged=spans, created=spans, calls=int(2 * factor)),
    )


def test_each_is_told_in_times_of_another_below_its_figures() -> None:
    """CPU, calls, spans and memory, each where its column ends."""
    base, one = row("a handler", 1), row("the service", 3)
    told = times(one, base)

    assert told.split() == ["the", "service", "50", *["3.00x"] * 7]
    assert told.index("3.00x") + 5 == HEADER.index("CPU ms/room") + len("CPU ms/room")
    assert len(told) == len(str(one)) == len(HEADER)


def test_what_was_not_measured_is_not_told_as_a_number() -> None:
    """Somebody who asked for no agent has no span, and one that took nothing is nobody's measure."""
    nothing = Row("nobody", 50, 0.0, 60, Figures(rooms=2))
    assert times(row("the service", 1), nothing).count("nanx") == 6


def test_the_service_is_measured_without_its_own_limit(tmp_path: Path) -> None:
    """Of creates a second, which nobody beside it has."""
    file = Path(settings(tmp_path, "http://here", "", sweep="30s")["DISPATCHER_CONFIG"])
    before = load_offline(file, {})
    contenders.unpaced(file)
    after = load_offline(file, {})

    assert (before.create_rate is None, after.create_rate) == (False, None)
    assert (after.sweep, after.instance) == (before.sweep, before.instance)
    assert [rule.name for rule in after.rules] == [rule.name for rule in before.rules]
