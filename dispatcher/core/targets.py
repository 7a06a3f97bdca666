"""What is known of a target, over all rooms and replicas, and what it means: how soon silence is known, and a circuit.

A target is an agent name (and deployment) of one project. What happens to attempts at it is news; the facts are what is
kept of the news. `learn` may be told late, twice, or out of order: a sign of life counts for all attempts that had
begun before it, whenever it is told.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.core.hour import NOTHING, AttemptOutcome, Hour, counted
from dispatcher.core.rules import Target

JOINS_MAX: Final = 20  # agents that must have come fast before the next is expected to
SILENCES_MAX: Final = 8
SILENT_IN_A_ROW: Final = 3  # attempts, in more than one room, without a sign of life: the circuit opens


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
    """What is kept of a target. Bounded: JOINS_MAX, SILENCES_MAX, and the hour is."""

    seen_at: Ms = 0  # its last sign of life: an agent, a job, a worker; 0: none is known
    joins: tuple[Join, ...] = ()  # in the order of their coming
    silences: tuple[Silence, ...] = ()  # of attempts that began after `seen_at`, in the order of their ends
    absent_at: Ms = 0  # somebody found no worker of it, after `seen_at`
    opened_at: Ms = 0  # since when its circuit is open; 0: it is closed
    probed_at: Ms = 0  # the last probe began
    hour: Hour = NOTHING


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


Standing: TypeAlias = Seen | Silent | Probed | Absent  # what changes how the target stands
News: TypeAlias = Standing | AttemptOutcome


def learn(facts: TargetFacts, news: Iterable[News]) -> TargetFacts:
    """The facts, with the news."""
    outcomes: list[AttemptOutcome] = []
    for one in news:
        if isinstance(one, AttemptOutcome):
            outcomes.append(one)
        else:
            facts = _learn(facts, one)
    return replace(facts, hour=counted(facts.hour, outcomes)) if outcomes else facts


def _learn(facts: TargetFacts, one: Standing) -> TargetFacts:
    match one:
        case Seen(at, took):
            return _seen(facts, at, took)
        case Silent(silence):
            known = silence in facts.silences or silence.began_at <= facts.seen_at  # then LiveKit lost it
            silences = sorted((*facts.silences, silence), key=_by_end)[-SILENCES_MAX:]
            return facts if known else _judged(replace(facts, silences=tuple(silences)))
        case Probed(at):
            return replace(facts, probed_at=max(facts.probed_at, at))
        case Absent(at):
            return _judged(replace(facts, absent_at=max(facts.absent_at, at))) if at > facts.seen_at else facts
        case _:
            assert_never(one)


def _seen(facts: TargetFacts, at: Ms, took: Ms | None) -> TargetFacts:
    """The circuit is closed, but for what has happened since: this may be told late."""
    came = () if took is None or Join(at, took) in facts.joins else (Join(at, took),)
    seen_at = max(facts.seen_at, at)
    since = TargetFacts(
        seen_at=seen_at,
        joins=tuple(sorted((*facts.joins, *came), key=_by_coming)[-JOINS_MAX:]),
        silences=tuple(one for one in facts.silences if one.began_at > seen_at),
        absent_at=facts.absent_at if facts.absent_at > seen_at else 0,
        probed_at=facts.probed_at,
        hour=facts.hour,
    )
    return _judged(since)


def _judged(facts: TargetFacts) -> TargetFacts:
    """The circuit is open since what is known first said so; no silence is needed to keep it open."""
    said = [one.ended_at for number, one in enumerate(facts.silences, 1) if _says_so(facts, facts.silences[:number])]
    first = [instant for instant in (facts.opened_at, facts.absent_at, *said[:1]) if instant]
    return replace(facts, opened_at=min(first, default=0))


def _says_so(facts: TargetFacts, silences: Sequence[Silence]) -> bool:
    """Whether the last of these silences opens the circuit; the first does where no sign of life is known at all."""
    row = [one for one in silences if one.ended_at > silences[-1].ended_at - timing.SILENT_WITHIN_MS]
    return not facts.seen_at or (len(row) >= SILENT_IN_A_ROW and len({one.room for one in row}) > 1)


def _by_end(silence: Silence) -> tuple[Ms, Ms, str]:
    return silence.ended_at, silence.began_at, silence.room


def _by_coming(join: Join) -> tuple[Ms, Ms]:
    return join.at, join.took


def circuit(facts: TargetFacts, now: Ms) -> Circuit:
    """How the target's circuit stands."""
    if not facts.opened_at:
        return Circuit.CLOSED
    return Circuit.OPEN if now < max(facts.opened_at, facts.probed_at) + timing.PROBE_EVERY_MS else Circuit.HALF_OPEN


def usual(facts: TargetFacts, now: Ms) -> Ms:
    """How soon the target's agents come, where they come reliably and fast; 0: they do not, or too little is known."""
    lately = [one.took for one in facts.joins if one.at > now - timing.JOINS_WITHIN_MS]
    fast = len(lately) >= JOINS_MAX and max(lately) <= timing.FAST_MS
    return sorted(lately)[len(lately) // 2] if fast else 0


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
    """Who is asked in the place of a target whose circuit is open: the first ahead whose is not. None: nobody."""
    return next((one.target for one in ahead if not one.open), None)
