"""The guard of splits: what counts, what stops a side, how seldom that is by chance, and how soon where it is right."""

from collections.abc import Mapping
from random import Random

import pytest

from dispatcher.core.snapshot import JobCondition
from dispatcher.core.splits import (
    ASKED_MIN,
    BAD_MIN,
    FORGET_AT,
    Side,
    Sides,
    Trial,
    begun,
    learn,
    matched,
    resumed,
    stopped,
    trials,
)
from dispatcher.core.timeline import Entry, Said, Verdict
from tests.unit.core.world import NOW, assignment, session

EVEN, CANARY = {"a": 50, "b": 50}, {"a": 90, "b": 10}


def rooms(sides: Sides, target: str, count: int, bad: int = 0) -> Sides:
    """So many rooms of this side, the first of them bad."""
    for number in range(count):
        sides = learn(sides, [Trial(target, bad=False)], NOW)
        if number < bad:
            sides = learn(sides, [Trial(target, bad=True)], NOW)
    return sides


def life(weights: Mapping[str, int], rates: Mapping[str, float], rng: Random, most: int) -> tuple[Sides, int]:
    """Rooms come until a side is stopped, or `most` have come; and how many were bad on side b."""
    sides, bad = begun(weights), 0
    names, shares = list(weights), list(weights.values())
    for target in rng.choices(names, shares, k=most):
        sides = learn(sides, [Trial(target, bad=False)], NOW)
        if rng.random() < rates[target]:
            bad += target == "b"
            sides = learn(sides, [Trial(target, bad=True)], NOW)
            if stopped(sides):
                break
    return sides, bad


@pytest.mark.slow("a thousand splits")
def test_of_1000_equal_splits_none_is_stopped() -> None:
    """Of 300 rooms each, at rates from 1 % to 50 % and every share: the bound is one in 10,000 bad rooms."""
    rng, false = Random(49), 0  # noqa: S311 - a simulation
    for _ in range(1_000):
        share, rate = rng.choice([1, 5, 10, 20, 50]), rng.choice([0.01, 0.05, 0.2, 0.5])
        sides, _ = life({"a": 100 - share, "b": share}, {"a": rate, "b": rate}, rng, 300)
        false += bool(stopped(sides))

    assert false == 0


@pytest.mark.slow("480 splits of thousands of rooms")
@pytest.mark.parametrize("share", [5, 10, 20])
@pytest.mark.parametrize("rate", [0.2, 0.3, 0.5, 1.0])
def test_a_bad_canary_is_stopped_within_30_bad_rooms(share: int, rate: float) -> None:
    """A fifth of its rooms are bad or more, and a fiftieth of the others'."""
    rng = Random(50)  # noqa: S311 - a simulation
    lives = [life({"a": 100 - share, "b": share}, {"a": 0.02, "b": rate}, rng, 20_000) for _ in range(40)]

    assert all(stopped(sides) == {"b"} for sides, _ in lives)
    assert max(bad for _, bad in lives) <= 30


def test_a_bad_half_is_stopped_within_30_bad_rooms() -> None:
    """Half of its rooms are bad: with even shares each bad room says less."""
    rng = Random(51)  # noqa: S311 - a simulation
    lives = [life(EVEN, {"a": 0.02, "b": 0.5}, rng, 5_000) for _ in range(40)]

    assert all(stopped(sides) == {"b"} for sides, _ in lives)
    assert max(bad for _, bad in lives) <= 30


def test_a_side_that_turns_bad_after_a_good_week_is_found_as_fast() -> None:
    """Nothing good is remembered in its favour."""
    sides = begun(CANARY)
    rng = Random(52)  # noqa: S311 - a simulation
    for _ in range(20_000):
        target = rng.choices(["a", "b"], [90, 10])[0]
        sides = learn(sides, [Trial(target, bad=False)], NOW)
        if rng.random() < 0.02:
            sides = learn(sides, [Trial(target, bad=True)], NOW)
    before = next(side.bad for side in sides if side.target == "b")
    for _ in range(5_000):
        target = rng.choices(["a", "b"], [90, 10])[0]
        sides = learn(sides, [Trial(target, bad=False)], NOW)
        if rng.random() < (0.5 if target == "b" else 0.02):
            sides = learn(sides, [Trial(target, bad=True)], NOW)

    assert stopped(sides) == {"b"}
    assert next(side.bad for side in sides if side.target == "b") - before <= 30


def test_an_outage_of_all_sides_stops_none() -> None:
    """Every room is bad, on each side by its share."""
    sides = begun(CANARY)
    for _ in range(200):
        sides = rooms(sides, "a", 9, bad=9)
        sides = rooms(sides, "b", 1, bad=1)

    assert not stopped(sides)


def test_little_is_too_little() -> None:
    """However bad: fewer rooms than the floor, of the side or of the others, stop nothing."""
    few = rooms(rooms(begun(CANARY), "a", 100), "b", ASKED_MIN - 1, bad=ASKED_MIN - 1)
    alone = rooms(begun(EVEN), "b", 100, bad=100)

    assert not stopped(few)
    assert stopped(rooms(few, "b", 1, bad=1)) == {"b"}
    assert not stopped(alone)
    assert BAD_MIN > 1


def test_the_last_side_is_never_stopped() -> None:
    """People had better have a bad agent than none; and what is stopped counts no more."""
    sides = rooms(rooms(begun(CANARY), "a", 100), "b", 20, bad=20)
    assert stopped(sides) == {"b"}

    sides = rooms(sides, "a", 200, bad=200)

    assert stopped(sides) == {"b"}


def test_what_stopped_a_side_is_told_in_figures() -> None:
    """And when."""
    sides = rooms(rooms(begun(CANARY), "a", 100, bad=1), "b", 20, bad=20)
    side = next(one for one in sides if one.target == "b")

    assert side.stopped_at == NOW
    assert side.figures.endswith("bad rooms of 10; 1 of 100 on the other side")


def test_who_is_resumed_begins_anew() -> None:
    """With nothing held against it."""
    sides = rooms(rooms(begun(CANARY), "a", 100), "b", 20, bad=20)

    assert resumed(sides, {"b"}) == begun(CANARY)
    assert stopped(resumed(sides, {"c"})) == {"b"}


def test_other_weights_begin_anew_and_let_nobody_in_again() -> None:
    """A canary that was stopped stays so when somebody gives it more; a side that is gone is gone."""
    sides = rooms(rooms(begun(CANARY), "a", 100), "b", 20, bad=20)

    assert matched(sides, CANARY) is sides
    assert stopped(matched(sides, EVEN)) == {"b"}
    assert {side.asked for side in matched(sides, EVEN)} == {0.0}
    assert matched(sides, {"a": 1, "c": 1}) == begun({"a": 1, "c": 1})


def test_old_rooms_count_by_half() -> None:
    """So that shares follow what happens."""
    sides = rooms(begun(EVEN), "a", int(FORGET_AT) + 1)

    assert sides[0].asked == FORGET_AT / 2 + 1


def entry(said: Said = Said.ATTEMPT_ENDED, verdict: Verdict | None = None, **fields: object) -> Entry:
    """Of the first attempt at side b."""
    told = {"assignment": "greeter", "number": 1, "agent": "b"} | fields
    return Entry(at=NOW, said=said, verdict=verdict, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (entry(Said.DISPATCH_REQUESTED), [Trial("b", bad=False)]),
        (entry(verdict=Verdict.SILENT), [Trial("b", bad=True)]),
        (entry(verdict=Verdict.NO_SHOW), [Trial("b", bad=True)]),
        (entry(verdict=Verdict.FAILED), [Trial("b", bad=True)]),
        (entry(verdict=Verdict.REFUSED), [Trial("b", bad=True)]),
        (entry(verdict=Verdict.REJECTED), [Trial("b", bad=True)]),
        (entry(verdict=Verdict.REJECTED, reason=JobCondition.NO_CAPACITY), []),
        (entry(verdict=Verdict.REJECTED, reason="at_capacity"), []),
        (entry(verdict=Verdict.REJECTED, reason="unreachable"), [Trial("b", bad=True)]),
        (entry(verdict=Verdict.SILENT, again=True), []),
        (entry(verdict=Verdict.UNSENT), []),
        (entry(verdict=Verdict.CRASHED), []),
        (entry(verdict=Verdict.FINISHED), []),
        (entry(verdict=Verdict.SILENT, number=2), []),
        (entry(verdict=Verdict.SILENT, agent="fallback"), []),
        (entry(verdict=Verdict.SILENT, assignment="another"), []),
        (entry(Said.AGENT_JOINED), []),
    ],
)
def test_a_room_counts_by_its_first_attempt(told: Entry, counts: list[Trial]) -> None:
    """A retry says the same again; what LiveKit did is nobody's fault."""
    found = trials(session(assignment()), {"greeter": {"a", "b"}}, [told])

    assert [trial for _, trial in found] == counts


def test_a_room_with_several_people_counts_once() -> None:
    """All of them have the same side, by the room's name."""
    both = session(assignment(identity="alice"), assignment(identity="bob"))
    told = [entry(verdict=Verdict.SILENT, assignment=f"greeter/{name}") for name in ("alice", "bob")]

    assert len(list(trials(both, {"greeter": {"b"}}, told))) == 1


def test_a_side_is_small() -> None:
    """It lies in a memo of the ledger's."""
    assert Side(target="a", weight=1).evidence == ()
