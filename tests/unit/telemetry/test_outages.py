"""Trouble that stays is told as a state, not as each call that fails by it."""

import pytest

from dispatcher.telemetry.outages import AGAIN_S, Outage, Outages


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """It stands."""
    return Clock()


def test_it_is_told_when_it_begins_every_30_s_and_when_it_is_over(clock: Clock) -> None:
    """With how long it has lasted, and how many calls have failed by it."""
    outages = Outages(clock)
    told = []
    for _ in range(130):  # for 65 s, two calls a second
        told.append(outages.failed("ledger", "away"))
        clock.now += 0.5
    assert [one for one in told if one] == [Outage(0, 1), Outage(30, 61), Outage(60, 121)]
    assert outages.answered("ledger") == Outage(65, 130)
    assert outages.answered("ledger") is None


def test_another_reason_is_another_state(clock: Clock) -> None:
    """Told at once; each by itself every 30 s."""
    outages = Outages(clock)

    assert outages.failed("eu", "timeout") == Outage(0, 1)
    assert outages.failed("eu", "unauthorized") == Outage(0, 2)
    assert outages.failed("eu", "timeout") is None
    assert outages.failed("us", "timeout") == Outage(0, 1)


def test_trouble_that_comes_and_goes_does_not_fill_the_log(clock: Clock) -> None:
    """Half of the calls fail: that it is over is told as often as that it has begun."""
    outages = Outages(clock)
    lines = 0
    for _ in range(1_000):
        lines += outages.failed("ledger", "away") is not None
        lines += outages.answered("ledger") is not None
        clock.now += AGAIN_S / 1_000
    assert lines == 2


def test_of_a_first_failure_there_is_no_more_to_say() -> None:
    """Its line has no number; later ones say how long and how often."""
    assert Outage(0, 1).fields == {}
    assert Outage(30, 61).fields == {"seconds": 30, "failures": 61}
