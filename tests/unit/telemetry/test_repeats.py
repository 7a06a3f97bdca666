"""How often the same trouble is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.telemetry.repeats import CAUSES_MAX, EVERY_S, Repeats

CAUSE = ("library.warned", "asyncio")
FIRST = 5


def told(repeats: Repeats, *instants: float) -> list[int | None]:
    """What becomes of one line at each of these instants."""
    return [repeats.times(CAUSE, now, FIRST) for now in instants]


def test_the_first_few_are_told_as_they_come_and_then_one_a_minute() -> None:
    """With how often there was reason for it."""
    repeats = Repeats()

    assert told(repeats, *[100.0] * FIRST) == [1] * FIRST
    assert told(repeats, 100.0, 100.0, 159.9, 160.0, 160.0, 219.0, 220.0) == [None, None, None, 4, None, None, 3]


def test_unless_told_otherwise_the_first_one_only_is_told_as_it_comes() -> None:
    """And then one a minute."""
    repeats = Repeats()

    assert [repeats.times(CAUSE, now) for now in (0.0, 1.0, 59.9, 60.0, 119.9, 120.0)] == [1, None, None, 3, None, 2]


def test_a_minute_of_quiet_earns_one_line_back() -> None:
    """Up to as many as at first."""
    repeats = Repeats()
    told(repeats, *[0.0] * FIRST)

    assert told(repeats, *[2 * EVERY_S] * 3) == [1, 1, None]
    assert told(repeats, *[1e6] * (FIRST + 1)) == [2, *[1] * (FIRST - 1), None]


def test_one_cause_does_not_silence_another() -> None:
    """Each has its own few."""
    repeats = Repeats()
    told(repeats, *[0.0] * 100)

    assert repeats.times(("webhook.rejected", "expired"), 0.0) == 1


def test_causes_without_end_are_limited_together() -> None:
    """Beyond CAUSES_MAX of them; those known before keep their own."""
    repeats = Repeats()
    known = [repeats.times((str(number),), 0.0, FIRST) for number in range(CAUSES_MAX)]
    beyond = [repeats.times((str(number),), 0.0, FIRST) for number in range(CAUSES_MAX, CAUSES_MAX + 100)]

    assert known == [1] * CAUSES_MAX
    assert beyond == [1] * FIRST + [None] * (100 - FIRST)
    assert repeats.times(("0",), 0.0, FIRST) == 1


@pytest.mark.parametrize("back", [1.0, 3_600.0, 1e9])
def test_r4_a_clock_that_is_set_back_does_not_silence_for_longer(back: float) -> None:
    """A minute after it has been set back there is a line again, as without that."""
    repeats = Repeats()
    told(repeats, *[1e9] * 100)
    now = 1e9 - back
    assert told(repeats, now) == [None]
    assert told(repeats, now + 2 * EVERY_S) == [97]


@given(st.lists(st.floats(0, 30), max_size=300))
def test_lines_are_few_and_all_accounted_for(pauses: list[float]) -> None:
    """In any span no more than the first few and one for each minute; told and left out are all there were."""
    repeats = Repeats()
    now, instants = 0.0, []
    for pause in pauses:
        now += pause
        instants.append(now)
    outcomes = told(repeats, *instants)
    written = [at for at, outcome in zip(instants, outcomes, strict=True) if outcome is not None]

    for begin, first in enumerate(written):
        for end, last in enumerate(written[begin:], start=1):
            assert end <= FIRST + (last - first) / EVERY_S + 1e-6
    written_for = sum(outcome or 0 for outcome in outcomes)
    assert written_for <= len(outcomes)
    assert repeats.times(CAUSE, now + EVERY_S, FIRST) == len(outcomes) - written_for + 1
