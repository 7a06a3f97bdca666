"""Guards splits: a side on which far more rooms go badly than on the others is taken out.

A room is bad when no agent came of its first attempt, or the agent left at once. While all sides are equally good, each
bad room is of a side with that side's share of the rooms, whatever the rate is and whatever befalls all sides alike.
Against it stands that the side's rate is so many times (RATIOS) the others'. Each bad room multiplies a side's evidence
by how much likelier that makes it; evidence never falls below 1, so that a side which turns bad after a good week is
found as fast. By chance such evidence reaches EVIDENCE once in EVIDENCE bad rooms at most, on average
(Shin, Ramdas, Rinaldo: "E-detectors", 2024).
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.facts import Ms
from dispatcher.core.session import Session
from dispatcher.core.snapshot import JobCondition
from dispatcher.core.timeline import BAD_FOR_A_SIDE, Entry, Said

RATIOS: Final = (2.0, 4.0, 8.0, 16.0, 64.0)  # a side's rate of bad rooms, to that of the others
EVIDENCE: Final = 10_000.0  # that takes a side out
ASKED_MIN: Final = 10  # rooms of the side, and of the others: until then it is left alone
BAD_MIN: Final = 5  # bad rooms of the side
PRIOR: Final = 200.0  # rooms by which the configured weights count, until more have been seen
FORGET_AT: Final = 4_000.0  # rooms: then half of them are forgotten, so that shares follow what happens

_FULL: Final = frozenset({JobCondition.NO_CAPACITY.value, "at_capacity"})  # LiveKit Cloud's word, and a launcher's


class Trial(Struct, frozen=True):
    """A room of one side began, or was bad."""

    target: str
    bad: bool


class Side(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one side of a split."""

    target: str
    weight: int
    asked: float = 0.0  # rooms, the old ones by half
    bad: int = 0  # rooms, since the guard began
    evidence: tuple[float, ...] = ()  # the logarithm, for each of RATIOS
    stopped_at: Ms = 0  # since when nobody is given it; 0: it is not stopped
    figures: str = ""  # what it was stopped by, for people


Sides = tuple[Side, ...]


def trials(
    session: Session, sides: Mapping[str, Collection[str]], entries: Iterable[Entry]
) -> Iterator[tuple[str, Trial]]:
    """What new entries tell of splits, by rule: each room counts once, by the first attempt of the rule's first one.

    `sides`: by rule, the targets of its split. What never reached LiveKit, or was nobody's fault, is no bad room.
    """
    for entry in entries:
        assignment = session.find(entry.assignment)
        if assignment is None or entry.number != 1 or entry.agent not in sides.get(assignment.rule, ()):
            continue
        if next(one for one in session.assignments if one.rule == assignment.rule) is not assignment:
            continue
        if entry.said is Said.DISPATCH_REQUESTED:
            yield assignment.rule, Trial(entry.agent, bad=False)
        elif _is_bad(entry):
            yield assignment.rule, Trial(entry.agent, bad=True)


def _is_bad(entry: Entry) -> bool:
    if entry.said is not Said.ATTEMPT_ENDED or entry.again:
        return False
    return entry.verdict in BAD_FOR_A_SIDE and entry.reason not in _FULL


def begun(weights: Mapping[str, int]) -> Sides:
    """Nothing is known of these sides yet."""
    return tuple(Side(target=target, weight=weight) for target, weight in weights.items())


def matched(sides: Sides, weights: Mapping[str, int]) -> Sides:
    """The sides as they are configured now: with other weights counting begins anew, and who is stopped stays so."""
    if {side.target: side.weight for side in sides} == dict(weights):
        return sides
    stops = {side.target: side for side in sides if side.stopped_at}
    return tuple(
        replace(side, stopped_at=old.stopped_at, figures=old.figures) if (old := stops.get(side.target)) else side
        for side in begun(weights)
    )


def stopped(sides: Sides) -> frozenset[str]:
    """The targets that nobody is given."""
    return frozenset(side.target for side in sides if side.stopped_at)


def resumed(sides: Sides, targets: Collection[str]) -> Sides:
    """These are given again, and counting begins anew for all."""
    ends = {side.target for side in sides if side.target in targets}
    return tuple(
        Side(target=side.target, weight=side.weight) if side.target in ends or not side.stopped_at else side
        for side in sides
    )


def learn(sides: Sides, heard: Iterable[Trial], now: Ms) -> Sides:
    """The sides, with these trials; one that the evidence is against is stopped, unless it is the last one left."""
    for trial in heard:
        if not any(side.target == trial.target and not side.stopped_at for side in sides):
            continue
        sides = _bad(sides, trial.target, now) if trial.bad else _asked(sides, trial.target)
    return sides


def _asked(sides: Sides, target: str) -> Sides:
    keep = 0.5 if sum(side.asked for side in sides) >= FORGET_AT else 1.0
    return tuple(replace(side, asked=side.asked * keep + (side.target == target)) for side in sides)


def _bad(sides: Sides, target: str, now: Ms) -> Sides:
    running = [side for side in sides if not side.stopped_at]
    weights, rooms = sum(side.weight for side in running), sum(side.asked for side in running)

    def judged(side: Side) -> Side:
        if side.stopped_at or len(running) < 2:
            return side
        share = (side.asked + PRIOR * side.weight / weights) / (rooms + PRIOR)
        before = side.evidence or (0.0,) * len(RATIOS)
        evidence = tuple(
            max(0.0, log) + _weight(share, ratio, is_its=side.target == target)
            for log, ratio in zip(before, RATIOS, strict=True)
        )
        return replace(side, evidence=evidence, bad=side.bad + (side.target == target))

    sides = tuple(judged(side) for side in sides)
    return tuple(_stopped(side, sides, now) if side.target == target else side for side in sides)


def _weight(share: float, ratio: float, *, is_its: bool) -> float:
    """How much likelier (the logarithm) a bad room is of this side, or not, at `ratio` times the others' rate."""
    its = share * ratio / (share * ratio + 1 - share)
    return math.log(its / share) if is_its else math.log((1 - its) / (1 - share))


def _stopped(side: Side, sides: Sides, now: Ms) -> Side:
    """The side, out if it is significantly worse than the others together, and enough is known of both."""
    others = [one for one in sides if not one.stopped_at and one is not side]
    asked, bad = sum(one.asked for one in others), sum(one.bad for one in others)
    if not others or side.bad < BAD_MIN or side.asked < ASKED_MIN or asked < ASKED_MIN:
        return side
    evidence = sum(math.exp(min(log, 100.0)) for log in side.evidence) / len(RATIOS)
    if evidence < EVIDENCE:
        return side
    figures = f"{side.bad} bad rooms of {side.asked:.0f}; {bad} of {asked:.0f} on the other side"
    return replace(side, stopped_at=now, figures=figures)
