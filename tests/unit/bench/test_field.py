"""What the comparison with other handlers prints, and how it finds the rate that each of them holds."""

import asyncio
from pathlib import Path

import pytest

from bench import heartbeat
from bench.field import contenders
from bench.field.load import Figures
from bench.field.rows import HEADER, Row, line, times
from bench.field.saturation import EXACT, LEAST, QUICK_MS, Saturation, saturate, why_not
from dispatcher.config import load_offline
from tests.chaos.replicas import settings


def row(name: str, factor: float) -> Row:
    """Somebody who takes so many times what the usual one takes, on 2 rooms."""
    spans = [factor, 4 * factor]
    figures = Figures(rooms=2, acknowledged=spans, created=spans, calls=int(2 * factor))
    return Row.of(name, 50, 0.004 * factor, int(60 * factor), figures)


def test_each_is_told_in_times_of_another_below_its_figures() -> None:
    """CPU, calls, spans and memory, each where its column ends."""
    base, one = row("a handler", 1), row("the service", 3)
    told = times(one, base)

    assert told.split() == ["the", "service", "50", *["3.00x"] * 7]
    assert told.index("3.00x") + 5 == HEADER.index("CPU ms/room") + len("CPU ms/room")
    assert len(told) == HEADER.index("MB") + 2
    assert len(line(one)) == len(HEADER)


def test_what_was_not_measured_is_not_told_as_a_number() -> None:
    """Somebody who asked for no agent has no span, and one that took nothing is nobody's measure."""
    nothing = Row.of("nobody", 50, 0.0, 60, Figures(rooms=2))
    assert times(row("the service", 1), nothing).split()[3:] == [*["-"] * 6, "1.00x"]
    assert line(nothing).split().count("-") == 5


@pytest.mark.parametrize("limit", [30, 100, 333, 1_000])
def test_the_rate_that_is_held_is_found(limit: int) -> None:
    """Within a twentieth, from below, whether it is beyond the first guess or not."""
    found = asyncio.run(saturate("somebody", lambda rate: holding(rate, limit)))

    assert limit - max(LEAST, EXACT * limit) - 1 <= found.held <= limit
    assert found.gave_way.startswith("ack p99 20 ms at ")


def test_who_holds_nothing_or_everything_is_told_so() -> None:
    """And the search ends."""
    assert asyncio.run(saturate("nobody", lambda rate: holding(rate, 0))).held == 0
    assert asyncio.run(saturate("all", lambda rate: holding(rate, 1 << 20))) == Saturation("all", 1140, 1.0, "")


def test_what_a_late_sender_has_measured_is_measured_again() -> None:
    """Once: it may always be late at that rate."""
    asked: list[float] = []

    async def measure(rate: float) -> Row:
        asked.append(rate)
        figures = Figures(
            rooms=1, acknowledged=[1.0], created=[1.0], late=[7.0] if len(asked) == 1 or rate > 120 else []
        )
        return Row.of("somebody", rate, 1.0, 60, figures)

    found = asyncio.run(saturate("somebody", measure))
    assert asked[:4] == [100, 100, 150, 150]
    assert 110 < found.held <= 120
    assert found.gave_way.startswith("the sender was 7 ms late at ")


async def holding(rate: float, limit: float) -> Row:
    """What somebody gives who is quick up to this limit."""
    ack = 1.0 if rate <= limit else 2 * QUICK_MS
    return Row.of("somebody", rate, 1.0, 60, Figures(rooms=1, acknowledged=[ack], created=[1.0]))


@pytest.mark.parametrize(
    ("figures", "why"),
    [
        (Figures(rooms=1, acknowledged=[1.0], created=[500.0]), ""),
        (Figures(rooms=2, acknowledged=[1.0], created=[1.0]), "1 rooms without an agent"),
        (Figures(rooms=1, acknowledged=[1.0], created=[1.0], failed=3), "3 webhooks failed"),
        (Figures(rooms=1, acknowledged=[11.0], created=[1.0]), "ack p99 11 ms"),
        (Figures(rooms=1, acknowledged=[11.0], late=[7.0]), "the sender was 7 ms late"),
    ],
)
def test_why_a_rate_is_not_held(figures: Figures, why: str) -> None:
    """The sender's own lateness is told as that."""
    assert why_not(Row.of("somebody", 50, 1.0, 60, figures)) == why


def test_the_longest_pause_is_that_of_the_time_asked_about(tmp_path: Path) -> None:
    """What came before it is another run's."""
    file = tmp_path / "beats"
    assert heartbeat.longest(file, 0) == heartbeat.TOLD_MS
    file.write_text("10.0 90.0\n20.5 3.5\n21.0 12.0\n22.0 2.0\n")
    assert heartbeat.longest(file, 20) == 12.0


def test_a_late_loop_is_written_down(tmp_path: Path) -> None:
    """For as long as it was."""
    file = tmp_path / "beats"

    async def busy() -> None:
        await asyncio.sleep(0)  # the heart has begun
        loop = asyncio.get_running_loop()
        until = loop.time() + 0.05
        while loop.time() < until:
            pass
        await asyncio.sleep(3 * heartbeat.BEAT_S)

    asyncio.run(heartbeat.beating(busy(), file))
    assert heartbeat.longest(file, 0) > 30


def test_the_service_is_measured_by_what_the_handlers_do(tmp_path: Path) -> None:
    """Without its own limit of creates a second, which nobody beside it has, and with an agent for the same rooms."""
    file = Path(settings(tmp_path, "http://here", "", sweep="30s")["DISPATCHER_CONFIG"])
    before = load_offline(file, {})
    contenders.like_others(file)
    after = load_offline(file, {})

    assert (before.create_rate is None, after.create_rate) == (False, None)
    assert (after.sweep, after.instance) == (before.sweep, before.instance)
    assert [rule.name for rule in after.rules] == [rule.name for rule in before.rules]
    handlers = [file.read_text() for file in contenders.HANDLERS.glob("*handler*")]
    assert len(handlers) == 3
    assert all(f'("{contenders.STAGE}")' in text for text in handlers)
