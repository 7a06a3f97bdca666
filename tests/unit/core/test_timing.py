"""Spans that depend on each other do, whoever changes one of them."""

from itertools import pairwise

import pytest

from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.core.rules import Policy
from dispatcher.engine.runner import IDLE_S

DEFAULTS = Policy(targets=())


@pytest.mark.parametrize(
    ("shorter", "longer"),
    [
        pytest.param(timing.CALL_MS, timing.LEASE_MS, id="a-call-and-its-look-end-before-the-lease"),
        pytest.param(int(IDLE_S * 1000), timing.SLOT_MS, id="a-turn-outlasts-a-sleeping-claim-loop"),
        pytest.param(timing.FRESH_MS, timing.GRACE_MS, id="a-look-that-is-acted-on-is-younger-than-any-grace"),
        pytest.param(timing.SECOND_MS, timing.GRACE_MS, id="a-webhook's-missing-second-is-within-the-grace"),
        pytest.param(timing.SECOND_MS, DEFAULTS.min_stay, id="a-webhook's-missing-second-fails-no-agent"),
        pytest.param(timing.GRACE_MS, timing.ENDING_MS, id="a-closing-room-is-waited-for-longer-than-an-agent"),
        pytest.param(500, timing.ATTEMPT_LOOKS_MS[0], id="a-no-is-listed-by-then-(livekit.md-§0)"),
        pytest.param(5_000 + 500, timing.ATTEMPT_LOOKS_MS[1], id="so-is-one-that-is-listed-late-(livekit.md-§0)"),
        pytest.param(5_000 + 3_000, timing.ATTEMPT_LOOKS_MS[2], id="and-every-job-that-comes-(livekit.md-§2.3)"),
        pytest.param(timing.ATTEMPT_LOOKS_MS[-1], DEFAULTS.confirm_within, id="a-late-listing-comes-before-silent"),
        pytest.param(10_500, DEFAULTS.confirm_within, id="the-slowest-agent-seen-is-waited-for-(livekit.md-§0)"),
        pytest.param(DEFAULTS.confirm_within, DEFAULTS.join_within, id="a-job-is-waited-for-before-its-agent"),
        pytest.param(
            DEFAULTS.confirm_within + timing.UNATTRIBUTED_MS[-1],
            timing.LINGER_MS,
            id="a-given-up-dispatch-is-listed-until-its-late-job-is",
        ),
        pytest.param(timing.MEETING_MS, timing.DEPARTED_MS, id="who-went-is-known-while-others-count-as-new"),
        pytest.param(timing.SECOND_MS, timing.MEETING_MS, id="a-webhook's-missing-second-makes-nobody-new"),
        pytest.param(DEFAULTS.min_stay, timing.STEADY_MS, id="an-agent-that-failed-is-no-steady-one"),
        pytest.param(timing.RETRY_MS[-1], timing.TROUBLE_MS, id="a-refused-key-is-tried-less-often-than-an-outage"),
        pytest.param(timing.BACKOFF_MS, timing.BACKOFF_CAP_MS, id="the-backoff-grows"),
        pytest.param(timing.LEASE_MS, timing.ALONE_MS, id="who-is-left-alone-waits-longer-than-for-a-lease"),
        pytest.param(timing.ALONE_MS, timing.ALONE_CAP_MS, id="it-is-left-alone-for-longer-each-time"),
        pytest.param(timing.GRACE_MS, timing.ABANDONED_MS, id="a-person-who-reconnects-keeps-the-agent"),
        pytest.param(timing.BRAKE_MS, timing.BRAKE_CAP_MS, id="the-brake-grows"),
        pytest.param(timing.BRAKE_CAP_MS, timing.STEADY_MS, id="the-longest-brake-is-no-steady-stay"),
    ],
)
def test_a_span_is_longer_than_what_it_has_to_outlast(shorter: Ms, longer: Ms) -> None:
    """Each pair is a reason given in the table of `core.timing`, or in the documents."""
    assert 0 < shorter < longer


def test_spans_in_a_row_grow() -> None:
    """Whoever waits a second time waits longer."""
    for row in (timing.RETRY_MS, timing.ATTEMPT_LOOKS_MS, timing.UNATTRIBUTED_MS):
        assert all(before < after for before, after in pairwise(row))


def test_a_stranger_is_told_only_when_no_late_job_can_explain_it() -> None:
    """Looks at an agent that no job explains go on for longer than those at an attempt."""
    assert timing.UNATTRIBUTED_MS[-1] > timing.ATTEMPT_LOOKS_MS[-1]
