"""What is known of a target, over all rooms and replicas, and what it means: how soon silence is known, and a circuit.

A target is an agent name (and deployment) of one project. What happens to attempts at it is news; the facts are what is
kept of the news. `learn` may be told late, twice, or out of order: a sign of life counts for all attempts that had
begun before it, whenever it is told.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.facts import Ms
from dispatcher.core.rules import Target

JOINS_MAX: Final = 20  # agents that must have come fast before the next is expected to
JOINS_WITHIN_MS: Final = 86_400_000  # an agent that came longer ago says nothing of today
FAST_MS: Final = 2_000  # from our asking to the agent's being seen

SILENCES_MAX: Final = 8
SILENT_IN_A_ROW: Final = 3  # attempts, in more than one room, without a sign of life: the circuit opens
SILENT_WITHIN_MS: Final = 60_000
PROBE_EVERY_MS: Final = 30_000  # somebody who could have another agent asks all the same


class Circuit(StrEnum):
    """Whether a target is asked where another could be asked instead."""

    CLOSED = "closed"  # it is
    OPEN = "open"  # it is not
    HALF_OPEN = "half_open"  # the next one asks it, as a probe


class Join(Struct, frozen=True, array_like=True):
    """An agent of the target came, so long after we had asked for it."""

    at: Ms
    took: Ms


class Silence(Struct, frozen=True, array_like=True):
    """An attempt was given up as silent. `room` is its session's SID."""

    began_at: Ms
    ended_at: Ms
    room: str


class TargetFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a target. Bounded: JOINS_MAX, SILENCES_MAX."""

    seen_at: Ms = 0  # its last sign of life: an agent, a job, a worker; 0: none is known
    joins: tuple[Join, ...] = ()  # in the order of their coming
    silences: tuple[Silence, ...] = ()  # of attempts that began after `seen_at`, in the order of their ends
    opened_at: Ms = 0  # since when its circuit is open; 0: it is closed
    probed_at: Ms = 0  # the last probe began


UNKNOWN: Final = TargetFacts()


class Seen(Struct, frozen=True, tag=True):
    """A sign of life at `at`; an agent that we had asked for came `took` after that."""

    at: Ms
    took: Ms | None = None


class Silent(Struct, frozen=True, tag=True):
    """An attempt ended as silent."""

    silence: Silence


class Probed(Struct, frozen=True, tag=True):
    """A probe began."""

    at: Ms


class Absent(Struct, frozen=True, tag=True):
    """Who asked all workers found none of the target's."""

    at: Ms


News: TypeAlias = Seen | Silent | Probed | Absent


def learn(facts: TargetFacts, news: Iterable[News]) -> TargetFacts:
    """The facts, with the news."""
    for one in news:
        facts = _learn(facts, one)
    return facts


def _learn(facts: TargetFacts, one: News) -> TargetFacts:
    match one:
        case Seen(at, took):
            return _seen(facts, at, took)
        case Silent(silence):
            return _silent(facts, silence)
        case Probed(at):
            return replace(facts, probed_at=max(facts.probed_at, at))
        case Absent(at):
            return replace(facts, opened_at=facts.opened_at or at) if at > facts.seen_at else facts
        case _:
            assert_never(one)


def _seen(facts: TargetFacts, at: Ms, took: Ms | None) -> TargetFacts:
    """The circuit is closed, unless it has opened by attempts, or by somebody's word, of after this sign of life."""
    joins = facts.joins if took is None else tuple(sorted({*facts.joins, Join(at, took)}, key=_by_coming))[-JOINS_MAX:]
    seen_at = max(facts.seen_at, at)
    since = tuple(silence for silence in facts.silences if silence.began_at > seen_at)
    closed = replace(facts, seen_at=seen_at, joins=joins, silences=since)
    return closed if facts.opened_at > at and since == facts.silences else _judged(replace(closed, opened_at=0))


def _silent(facts: TargetFacts, silence: Silence) -> TargetFacts:
    if silence.began_at <= facts.seen_at:  # it was there: LiveKit lost this one
        return facts
    silences = sorted({*facts.silences, silence}, key=lambda one: (one.ended_at, one.room))
    return _judged(replace(facts, silences=tuple(silences[-SILENCES_MAX:])))


def _judged(facts: TargetFacts) -> TargetFacts:
    """The circuit is open if the silences say so; what is open stays so until a sign of life."""
    if facts.opened_at or not facts.silences:
        return facts
    last = facts.silences[-1]
    row = [one for one in facts.silences if one.ended_at > last.ended_at - SILENT_WITHIN_MS]
    never = not facts.seen_at
    many = len(row) >= SILENT_IN_A_ROW and any(one.room != other.room for one, other in pairwise(row))
    return replace(facts, opened_at=last.ended_at) if never or many else facts


def _by_coming(join: Join) -> tuple[Ms, Ms]:
    return join.at, join.took


def circuit(facts: TargetFacts, now: Ms) -> Circuit:
    """How the target's circuit stands."""
    if not facts.opened_at:
        return Circuit.CLOSED
    return Circuit.OPEN if now < max(facts.opened_at, facts.probed_at) + PROBE_EVERY_MS else Circuit.HALF_OPEN


def usual(facts: TargetFacts, now: Ms) -> Ms:
    """How soon the target's agents come, where they come reliably and fast; 0: they do not, or too little is known."""
    lately = [one.took for one in facts.joins if one.at > now - JOINS_WITHIN_MS]
    fast = len(lately) >= JOINS_MAX and max(lately) <= FAST_MS
    return max(1, int(median(lately))) if fast else 0


class Outlook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody who waits for this target should know."""

    target: Target
    seen_at: Ms = 0
    usual: Ms = 0  # how soon its agents come, where that is reliable
    open: bool = False  # its circuit is not closed


def outlook(target: Target, facts: TargetFacts, now: Ms) -> Outlook:
    """The target's outlook."""
    is_open = circuit(facts, now) is not Circuit.CLOSED
    return Outlook(target=target, seen_at=facts.seen_at, usual=usual(facts, now), open=is_open)


def instead(ahead: Sequence[Outlook]) -> Target | None:
    """Who is asked in the place of a target whose circuit is open: the first of those ahead whose is not. None: nobody."""
    return next((one.target for one in ahead if not one.open), None)
