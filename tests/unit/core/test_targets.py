"""What is known of a target, and what it means: a circuit, and how soon its agents come."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.core.hour import NOTHING, AttemptOutcome
from dispatcher.core.rules import Target
from dispatcher.core.targets import (
    JOINS_MAX,
    SILENCES_MAX,
    UNKNOWN,
    Absent,
    Circuit,
    Join,
    News,
    Outlook,
    Probed,
    Seen,
    Silence,
    Silent,
    TargetFacts,
    circuit,
    instead,
    learn,
    outlook,
    usual,
)
from tests.unit.core.test_hour import full
from tests.unit.core.world import GREETER, NOW, seconds

ALIVE = Seen(NOW - seconds(3_600))


def silent(ended: float, room: str = "RM_1", lasted: float = 9) -> Silent:
    """An attempt of that room ended as silent, so many seconds from now."""
    return Silent(Silence(began_at=NOW + seconds(ended - lasted), ended_at=NOW + seconds(ended), room=room))


@pytest.mark.parametrize(
    ("news", "stands"),
    [
        pytest.param([], Circuit.CLOSED, id="nothing-is-known"),
        pytest.param([silent(0)], Circuit.OPEN, id="the-first-is-silent-and-none-was-ever-seen"),
        pytest.param([ALIVE, silent(0)], Circuit.CLOSED, id="one"),
        pytest.param([ALIVE, silent(-5), silent(0, "RM_2")], Circuit.CLOSED, id="two"),
        pytest.param([ALIVE, silent(-9), silent(-5), silent(0, "RM_2")], Circuit.OPEN, id="three-in-two-rooms"),
        pytest.param([ALIVE, silent(-9), silent(-5), silent(0)], Circuit.CLOSED, id="three-in-one-room"),
        pytest.param([ALIVE, silent(-59.9), silent(-5, "RM_2"), silent(0)], Circuit.OPEN, id="within-a-minute"),
        pytest.param([ALIVE, silent(-60), silent(-5, "RM_2"), silent(0)], Circuit.CLOSED, id="over-a-minute"),
        pytest.param(
            [ALIVE, silent(-9), silent(-8, "RM_2"), Seen(NOW - seconds(5)), silent(0, "RM_3", lasted=4)],
            Circuit.CLOSED,
            id="an-agent-between-them",
        ),
        pytest.param(
            [silent(-1), Seen(NOW - seconds(5))], Circuit.CLOSED, id="an-agent-that-was-seen-while-it-was-waited-for"
        ),
        pytest.param([Seen(NOW - seconds(5)), silent(-1)], Circuit.CLOSED, id="told-in-the-other-order"),
        pytest.param([silent(-1), Seen(NOW)], Circuit.CLOSED, id="an-agent-is-seen"),
        pytest.param([silent(-40), silent(-31), Seen(NOW - seconds(60))], Circuit.CLOSED, id="one-is-told-of-late"),
        pytest.param([silent(-30)], Circuit.HALF_OPEN, id="for-half-a-minute"),
        pytest.param([silent(-29.999)], Circuit.OPEN, id="not-yet-half-a-minute"),
        pytest.param([silent(-300), Probed(NOW - seconds(29))], Circuit.OPEN, id="since-the-last-probe"),
        pytest.param([silent(-300), Probed(NOW - seconds(30))], Circuit.HALF_OPEN, id="and-another"),
        pytest.param([silent(-300), silent(-1)], Circuit.HALF_OPEN, id="more-silence-does-not-begin-it-anew"),
        pytest.param([ALIVE, Absent(NOW)], Circuit.OPEN, id="no-worker-is-there"),
        pytest.param([Seen(NOW), Absent(NOW)], Circuit.CLOSED, id="but-an-agent-is"),
        pytest.param([ALIVE, Absent(NOW - 1), Seen(NOW)], Circuit.CLOSED, id="a-worker-is-back"),
    ],
)
def test_a_circuit(news: Sequence[News], stands: Circuit) -> None:
    """Silent attempts in a row open it, or somebody's word; a sign of life closes it."""
    assert circuit(learn(UNKNOWN, news), NOW) is stands


def test_an_open_circuit_stays_open_however_long_nobody_asks() -> None:
    """There is no sign of life in that."""
    opened = learn(UNKNOWN, [silent(0)])

    assert circuit(opened, NOW + seconds(86_000)) is Circuit.HALF_OPEN


instants = st.integers(NOW - 100_000, NOW)
silences = st.builds(
    lambda began, lasted, room: Silent(Silence(began_at=began, ended_at=began + lasted, room=room)),
    instants,
    st.integers(1, 12_000),
    st.sampled_from(("RM_1", "RM_2", "RM_3")),
)
news = st.one_of(
    silences,
    st.builds(Seen, instants, st.none() | st.integers(1, 5_000)),
    st.builds(Probed, instants),
    st.builds(Absent, instants),
    st.builds(
        lambda at, n, failed: AttemptOutcome(at, at << 10 | n << 1 | failed, failed),
        instants,
        st.integers(0, 511),
        st.booleans(),
    ),
)


@given(st.lists(news, max_size=SILENCES_MAX), st.randoms(use_true_random=False))
def test_the_order_in_which_news_are_told_does_not_matter(told: list[News], random: object) -> None:
    """Replicas tell them when they can; and one that is told twice is told once."""
    shuffled = [*told, *told]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    one, other = learn(UNKNOWN, shuffled), learn(UNKNOWN, told)
    assert bool(one.opened_at) is bool(other.opened_at)
    assert replace(one, opened_at=0) == replace(other, opened_at=0)


@given(st.lists(news, max_size=200))
def test_law_8_what_is_kept_of_a_target_is_bounded(told: list[News]) -> None:
    """However much happens; and it reads back as it was written. A full memo has 8 kB at most (docs/redis.md)."""
    facts = learn(UNKNOWN, told)
    memo, full_hour = msgspec.json.encode(facts), msgspec.json.encode(full(99_999))

    assert (len(facts.joins) <= JOINS_MAX, len(facts.silences) <= SILENCES_MAX) == (True, True)
    assert len(msgspec.json.encode(replace(facts, hour=NOTHING))) + len(full_hour) <= 8_000
    assert msgspec.json.decode(memo, type=TargetFacts) == facts


def came(*took: Ms, at: Ms = NOW) -> TargetFacts:
    """The target's agents came, each so long after it was asked for."""
    return TargetFacts(joins=tuple(Join(at, one) for one in took))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(UNKNOWN, 0, id="nothing-is-known"),
        pytest.param(came(*[300] * 20), 300, id="twenty-fast"),
        pytest.param(came(*[300] * 19), 0, id="nineteen"),
        pytest.param(came(*[300] * 19, 2_000), 300, id="one-just-fast"),
        pytest.param(came(*[300] * 19, 2_001), 0, id="one-slow"),
        pytest.param(came(*[200] * 9, *[400] * 11), 400, id="as-most-of-them"),
        pytest.param(came(*[300] * 20, at=NOW - timing.JOINS_WITHIN_MS), 0, id="a-day-ago"),
        pytest.param(came(*[300] * 20, at=NOW - timing.JOINS_WITHIN_MS + 1), 300, id="within-a-day"),
    ],
)
def test_how_soon_agents_come(facts: TargetFacts, expected: Ms) -> None:
    """The median, where the last twenty of a day all came within two seconds."""
    assert usual(facts, NOW) == expected


def test_of_many_agents_the_last_count() -> None:
    """A slow one is forgotten after twenty fast ones; one that came without being asked for says nothing."""
    slow = learn(UNKNOWN, [Seen(NOW, 7_000)])
    fast = [Seen(NOW + n, 250) for n in range(1, 20)]

    assert usual(learn(slow, [*fast, Seen(NOW + 20)]), NOW + 20) == 0
    assert usual(learn(slow, [*fast, Seen(NOW + 20, 250)]), NOW + 20) == 250


def test_an_outlook_says_what_one_who_waits_should_know() -> None:
    """When the target was last seen, how soon its agents come, and whether its circuit is closed."""
    facts = replace(came(*[300] * 20), seen_at=NOW - 5)

    assert outlook(GREETER, facts, NOW) == Outlook(target=GREETER, seen_at=NOW - 5, usual=300)
    assert outlook(GREETER, learn(UNKNOWN, [silent(0)]), NOW) == Outlook(target=GREETER, open=True)
    assert outlook(GREETER, learn(UNKNOWN, [silent(-60)]), NOW).open


def test_instead_of_a_target_the_first_ahead_is_asked_whose_circuit_is_closed() -> None:
    """Nobody, where none is."""
    ahead = [Outlook(target=Target(name), open=is_open) for name, is_open in (("b", True), ("c", False), ("d", False))]

    assert instead(ahead) == Target("c")
    assert instead(ahead[:1]) is None
    assert instead([]) is None
