"""What came of a target's attempts within the last hour, and how soon its agents came: counts of a fixed size.

Outcomes may be told late, twice, or out of order. Each is counted once: the marks of the newest are kept, and who tells
something twice does so within seconds, having missed the ledger's answer.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from math import ceil, log
from typing import Final

from msgspec import Struct

from dispatcher.core import timing
from dispatcher.core.facts import Ms

MINUTES: Final = timing.HOUR_MS // timing.MINUTE_MS
SPELLS: Final = timing.HOUR_MS // timing.SPELL_MS + 1  # the newest has only begun
MARKS_MAX: Final = 32
FASTEST_MS: Final = 50  # the first class has all that took no longer
GROWTH: Final = 1.2  # a class ends at so many times the end of the one before: all in it are within 10 % of its middle
LAST_CLASS: Final = 48  # it has all that took longer than 263 s


class AttemptOutcome(Struct, frozen=True, tag=True):
    """An agent came, or an attempt failed. `mark` tells it from all others; the marks of later ones are greater."""

    at: Ms
    mark: int
    failed: bool = False
    took: Ms | None = None  # from the first person's joining, or the order, to the agent; None: not known


class Minute(Struct, frozen=True, array_like=True, gc=False):
    """What came of attempts within a minute; `number` counts minutes since 1970."""

    number: int
    served: int
    failed: int


class Spell(Struct, frozen=True, array_like=True, gc=False):
    """How many agents came how soon within five minutes: a count for each class, from the class `first` on."""

    number: int
    first: int
    counts: tuple[int, ...]


class Hour(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept. Bounded: MINUTES, SPELLS of LAST_CLASS + 1 counts, MARKS_MAX."""

    minutes: tuple[Minute, ...] = ()
    spells: tuple[Spell, ...] = ()
    marks: tuple[int, ...] = ()


NOTHING: Final = Hour()


class HourTold(Struct, frozen=True, kw_only=True):
    """The last hour, as people read it."""

    minutes: tuple[tuple[int, int], ...]  # served and failed, MINUTES of them; the last one has only begun
    p50: Ms | None  # of the last 60 to 65 minutes; None: no span is known
    p95: Ms | None

    @property
    def served(self) -> int:
        """How many agents came."""
        return sum(served for served, _ in self.minutes)

    @property
    def failed(self) -> int:
        """How many attempts failed."""
        return sum(failed for _, failed in self.minutes)


def counted(hour: Hour, outcomes: Iterable[AttemptOutcome]) -> Hour:
    """The hour, with these outcomes."""
    known = {*hour.marks}
    new = {one.mark: one for one in outcomes if one.mark not in known}
    if not new:
        return hour
    minutes = {minute.number: minute for minute in hour.minutes}
    spells = {spell.number: spell for spell in hour.spells}
    for one in new.values():
        number = one.at // timing.MINUTE_MS
        minutes[number] = _minute(minutes.get(number, Minute(number, 0, 0)), one)
        if one.took is not None:
            number = one.at // timing.SPELL_MS
            spells[number] = _spell(spells.get(number), number, _class(one.took))
    return Hour(
        minutes=tuple(minutes[n] for n in sorted(minutes) if n > max(minutes) - MINUTES),
        spells=tuple(spells[n] for n in sorted(spells) if n > max(spells) - SPELLS),
        marks=tuple(sorted(known | {*new})[-MARKS_MAX:]),
    )


def _minute(minute: Minute, one: AttemptOutcome) -> Minute:
    return Minute(minute.number, minute.served + (not one.failed), minute.failed + one.failed)


def _spell(spell: Spell | None, number: int, n: int) -> Spell:
    """The spell, with one more in class `n`."""
    if spell is None:
        return Spell(number, n, (1,))
    first = min(spell.first, n)
    counts = [0] * (spell.first - first) + [*spell.counts]
    counts += [0] * (n - first + 1 - len(counts))
    counts[n - first] += 1
    return Spell(number, first, tuple(counts))


def last_hour(hours: Collection[Hour], now: Ms) -> HourTold:
    """What these hours together tell at `now`."""
    newest, spell = now // timing.MINUTE_MS, now // timing.SPELL_MS
    served, failed, spans = Counter[int](), Counter[int](), Counter[int]()
    for minute in (minute for hour in hours for minute in hour.minutes):
        served[minute.number] += minute.served
        failed[minute.number] += minute.failed
    for one in (one for hour in hours for one in hour.spells if spell - SPELLS < one.number <= spell):
        spans.update(dict(enumerate(one.counts, one.first)))
    return HourTold(
        minutes=tuple((served[n], failed[n]) for n in range(newest - MINUTES + 1, newest + 1)),
        p50=_percentile(spans, 0.5),
        p95=_percentile(spans, 0.95),
    )


def _class(took: Ms) -> int:
    return 0 if took <= FASTEST_MS else min(LAST_CLASS, ceil(log(took / FASTEST_MS, GROWTH)))


def _percentile(spans: Counter[int], share: float) -> Ms | None:
    """The middle of the class in which the share is reached; None: there are no spans."""
    left = ceil(spans.total() * share)
    for n in sorted(spans):
        left -= spans[n]
        if left <= 0:
            return round(FASTEST_MS * GROWTH ** (n - 0.5)) if n else FASTEST_MS
    return None
