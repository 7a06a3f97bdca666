"""The last hour of a target: what is counted, for how long, how exactly, and how much of it is kept."""

from math import ceil

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.hour import (
    FASTEST_MS,
    GROWTH,
    LAST_CLASS,
    MARKS_MAX,
    MINUTES,
    NOTHING,
    SPELLS,
    AttemptOutcome,
    Hour,
    HourTold,
    Minute,
    Spell,
    counted,
    last_hour,
)
from tests.unit.core.world import NOW, seconds

SLOWEST_MS = int(FASTEST_MS * GROWTH ** (LAST_CLASS - 1))


def served(took: int | None = None, *, at: int = NOW, mark: int = 1) -> AttemptOutcome:
    """An agent came."""
    return AttemptOutcome(at, mark, took=took)


def failed(*, at: int = NOW, mark: int = 1) -> AttemptOutcome:
    """An attempt failed."""
    return AttemptOutcome(at, mark, failed=True)


def numbered(outcomes: list[AttemptOutcome]) -> list[AttemptOutcome]:
    """Each with a mark of its own; those of later ones are greater."""
    return [replace(one, mark=one.at << 10 | n) for n, one in enumerate(outcomes)]


outcomes = st.lists(
    st.builds(
        AttemptOutcome,
        st.integers(NOW - 2 * timing.HOUR_MS, NOW),
        st.just(0),
        st.booleans(),
        st.none() | st.integers(0, 2 * SLOWEST_MS),
    ),
    max_size=100,
).map(numbered)


@given(outcomes, st.randoms(use_true_random=False), st.integers(0, 100))
def test_the_order_in_which_outcomes_are_told_does_not_matter(
    told: list[AttemptOutcome], random: object, together: int
) -> None:
    """Nor how many are told together: replicas tell them when they can."""
    shuffled = [*told]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert counted(counted(NOTHING, shuffled[:together]), shuffled[together:]) == counted(NOTHING, told)


@given(outcomes.map(lambda told: told[:MARKS_MAX]), st.randoms(use_true_random=False))
def test_what_is_told_twice_is_counted_once(told: list[AttemptOutcome], random: object) -> None:
    """Together or later."""
    shuffled = [*told, *told]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    once = counted(NOTHING, told)

    assert counted(NOTHING, shuffled) == once
    assert counted(once, shuffled) is once


def test_of_very_many_the_newest_are_known_again() -> None:
    """Who tells something twice does so within seconds."""
    told = [served(at=NOW + n, mark=NOW + n << 10) for n in range(2 * MARKS_MAX)]
    hour = counted(NOTHING, told)

    assert counted(hour, told[-MARKS_MAX:]) is hour


@given(outcomes)
def test_it_counts_what_happened_within_sixty_minutes(told: list[AttemptOutcome]) -> None:
    """By the minute; each minute is whole, and the last is that of the present instant."""
    shown = last_hour([counted(NOTHING, told)], NOW)
    present = NOW // timing.MINUTE_MS
    within = [one for one in told if one.at // timing.MINUTE_MS > present - MINUTES]

    assert len(shown.minutes) == MINUTES
    assert (shown.served, shown.failed) == (
        sum(not one.failed for one in within),
        sum(one.failed for one in within),
    )


@given(st.lists(st.integers(0, SLOWEST_MS), min_size=1, max_size=200))
def test_percentiles_are_right_to_a_tenth(spans: list[int]) -> None:
    """Of any spans up to the slowest class; those below the fastest count as that."""
    told = numbered([served(one) for one in spans])
    shown = last_hour([counted(NOTHING, told)], NOW)

    for share, found in ((0.5, shown.p50), (0.95, shown.p95)):
        exact = max(FASTEST_MS, sorted(spans)[ceil(len(spans) * share) - 1])
        assert found is not None
        assert abs(found - exact) <= exact / 10


def full(count: int) -> Hour:
    """An hour in which everything that may happen has happened, so many times each."""
    minute, spell = NOW // timing.MINUTE_MS, NOW // timing.SPELL_MS
    return Hour(
        minutes=tuple(Minute(minute - n, count, count) for n in range(MINUTES)),
        spells=tuple(Spell(spell - n, 0, (count,) * (LAST_CLASS + 1)) for n in range(SPELLS)),
        marks=tuple(NOW << 10 | n for n in range(MARKS_MAX)),
    )


@given(outcomes)
def test_law_8_an_hour_is_bounded(told: list[AttemptOutcome]) -> None:
    """It has no more of anything than the full one, and that has room in a memo, with 99,999 of everything."""
    hour, most = counted(NOTHING, told), full(99_999)

    assert len(hour.minutes) <= len(most.minutes)
    assert len(hour.spells) <= len(most.spells)
    assert len(hour.marks) <= len(most.marks)
    assert all(one.first + len(one.counts) <= LAST_CLASS + 1 for one in hour.spells)
    assert len(msgspec.json.encode(most)) <= 6_100


def test_a_full_hour_that_goes_on_stays_full() -> None:
    """The minute that is over makes room for the new one, and so does the spell; nothing else changes."""
    later = NOW + timing.SPELL_MS
    went_on = counted(full(1), [served(300, at=later, mark=later << 10)])

    assert (len(went_on.minutes), len(went_on.spells), len(went_on.marks)) == (56, SPELLS, MARKS_MAX)
    assert last_hour([went_on], later).served == 56


@pytest.mark.parametrize(
    ("at", "seen"),
    [
        pytest.param(0, (1, 300), id="now"),
        pytest.param(-59 * 60, (1, 300), id="59-minutes-ago"),
        pytest.param(-60 * 60, (0, 300), id="an-hour-ago-it-is-no-minute-s-any-more"),
        pytest.param(-66 * 60, (0, None), id="66-minutes-ago"),
        pytest.param(-86_400, (0, None), id="yesterday"),
    ],
)
def test_how_long_an_agent_counts(at: int, seen: tuple[int, int | None]) -> None:
    """An hour; how soon it came, up to five minutes more."""
    shown = last_hour([counted(NOTHING, [served(290, at=NOW + seconds(at))])], NOW)

    assert (shown.served, shown.p50 and round(shown.p50, -2)) == seen


def test_several_deployments_are_one_agent() -> None:
    """What came of each is added up; percentiles are those of all."""
    one = counted(NOTHING, numbered([served(100), served(100), served(100)]))
    other = counted(NOTHING, numbered([served(10_000), failed(), failed(at=NOW - timing.MINUTE_MS)]))
    shown = last_hour([one, other], NOW)

    assert shown.minutes[-2:] == ((0, 1), (4, 1))
    assert shown.p50 is not None
    assert shown.p95 is not None
    assert (round(shown.p50, -2), round(shown.p95, -4)) == (100, 10_000)


def test_who_came_without_being_waited_for_has_no_span() -> None:
    """The agent counts all the same."""
    shown = last_hour([counted(NOTHING, [served()])], NOW)

    assert (shown.served, shown.p50, shown.p95) == (1, None, None)
    assert last_hour([], NOW) == HourTold(minutes=((0, 0),) * MINUTES, p50=None, p95=None)
