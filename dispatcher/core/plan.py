"""The one next step of a session. The table below is the documentation: the first line that applies.

 1  over                                                                            Rest
 2  stale, or a deadline passed since the last look                                 Look
 3  the room was not listed, or is closing                                          Wait     for the next look
 4  a closed attempt of ours shows (agent, then dispatch), `retract_at` has come    Retract  on a fresh look, else Look
 5  a want that waits, and is due                                                   Create   on a fresh look, else Look
 6  a deadline ahead                                                                Wait     until the earliest
 7  else                                                                            Rest     the sweep still looks in

A passed deadline means Look; it never judges by itself. So no Create is made without a look that saw the room (law 4),
none while an attempt of the same want is open (law 5), and none in a session that is over (law 14).
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

from msgspec import Struct

from dispatcher.core.events import Ms
from dispatcher.core.judge import ENDING_MS, GRACE_MS, confirming_since
from dispatcher.core.rules import Target
from dispatcher.core.session import Attempt, Session, Want
from dispatcher.core.surplus import UNTIED_MS

EARLY_LOOK_MS: Final = 2_000  # a worker's no is listed by then
LISTED_LATE_MS: Final = (6_000, 10_000)  # a job may be listed 5 s late: whose agent left is known only then


class Look(Struct, frozen=True):
    """See what LiveKit shows."""


class Create(Struct, frozen=True, kw_only=True):
    """Ask for an agent: this want's attempt of this number."""

    want: str
    number: int
    target: Target


class Retract(Struct, frozen=True, kw_only=True):
    """Take back what a closed attempt of ours left: its agent (by SID) first, and once that is gone its dispatch."""

    want: str
    number: int
    agent: str = ""
    dispatch: str = ""


class Wait(Struct, frozen=True):
    """Nothing to do before `until`, on the ledger's clock."""

    until: Ms


class Rest(Struct, frozen=True):
    """Nothing is owed."""


Step: TypeAlias = Look | Create | Retract | Wait | Rest


def plan(session: Session, now: Ms, *, fresh: bool) -> Step:
    """The next step. `fresh`: the session's last look is recent enough to act on."""
    if session.over:
        return Rest()
    if session.stale or any(session.seen_at < deadline <= now for deadline in deadlines(session)):
        return Look()
    if session.missed_at:
        return Wait(session.missed_at + ENDING_MS)
    act = _retract(session, now) or _create(session, now)
    if act is not None:
        return act if fresh else Look()
    ahead = [instant for instant in (*deadlines(session), *_due(session)) if instant > now]
    return Wait(min(ahead)) if ahead else Rest()


def deadlines(session: Session) -> Iterator[Ms]:
    """The instants at which the session must be looked at."""
    if session.missed_at:
        yield session.missed_at + ENDING_MS
    if session.untied_since:
        yield from (session.untied_since + after for after in UNTIED_MS)
    for want in session.wants:
        if want.unnamed:
            yield want.due
        if want.by_name:
            yield session.named_since + want.policy.join_within
        for attempt in want.open:
            yield from _attempt_deadlines(session, want, attempt)


def _attempt_deadlines(session: Session, want: Want, attempt: Attempt) -> Iterator[Ms]:
    if attempt.gone:
        yield attempt.gone + GRACE_MS
        yield attempt.gone + ENDING_MS
    elif not attempt.agent:
        yield attempt.since + EARLY_LOOK_MS
        if session.notes and not attempt.identities:
            yield from (attempt.since + after for after in LISTED_LATE_MS)
        asked = confirming_since(session, want.policy, attempt)
        if asked is not None:
            yield asked + want.policy.confirm_within
            yield asked + want.policy.join_within


def _due(session: Session) -> Iterator[Ms]:
    for want in session.wants:
        if want.waits:
            yield want.due
        yield from (attempt.retract_at for attempt in want.attempts if _retractable(attempt))


def _retractable(attempt: Attempt) -> bool:
    return attempt.ours and not attempt.open and attempt.shows and attempt.retract_at > 0


def _retract(session: Session, now: Ms) -> Retract | None:
    for want in session.wants:
        for attempt in want.attempts:
            if _retractable(attempt) and attempt.retract_at <= now:
                dispatch = "" if attempt.agent else attempt.dispatch
                return Retract(want=want.key, number=attempt.number, agent=attempt.agent, dispatch=dispatch)
    return None


def _create(session: Session, now: Ms) -> Create | None:
    for want in session.wants:
        if want.waits and want.due <= now:
            return Create(want=want.key, number=want.last + 1, target=want.next_target)
    return None
