"""Instants, spans and names as people read them."""

import pytest

from dispatcher.core.facts import Ms
from dispatcher.core.rules import NAMELESS, Target
from dispatcher.explain.words import about, at_utc, clock, listed, named


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (-5, "0.0 s"),
        (1_240, "1.2 s"),
        (9_949, "9.9 s"),
        (9_951, "10 s"),
        (41_400, "41 s"),
        (119_000, "119 s"),
        (120_000, "2 min"),
        (7_199_000, "119 min"),
        (7_200_000, "2 h"),
        (172_800_000, "2 days"),
    ],
)
def test_a_span_is_told_in_the_largest_unit_of_which_there_are_two(span: Ms, told: str) -> None:
    """Below ten seconds with a place behind the point."""
    assert about(span) == told


def test_a_time_of_day_is_labelled() -> None:
    """In UTC, whatever this machine's zone."""
    assert clock(3_723_004) == "01:02:03.004"
    assert at_utc(3_723_004) == "01:02:03 UTC"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (Target("greeter"), "`greeter`"),
        (Target("greeter", "blue"), "`greeter`, deployment `blue`"),
        (NAMELESS, "an agent that could not be named"),
    ],
)
def test_no_name_stands_in_empty_backticks(target: Target, told: str) -> None:
    """What has no name is told in words."""
    assert named(target) == told


@pytest.mark.parametrize(
    ("words", "told"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_a_list_ends_in_and(words: list[str], told: str) -> None:
    """As people say it."""
    assert listed(words) == told
