"""The one next step of a session. The table below is the documentation: the first line that applies.

 1  over                                                                            Rest
 2  stale, the last look a while ago; or a deadline passed since                    Look
    stale                                                                           Wait     for that while
 3  the room was not listed, or is closing                                          Wait     for the next look
 4  a closed attempt of ours shows (agent, then dispatch), `retract_at` has come    Retract  on a fresh look, else Look
 4b an agent without a name that the configuration sends away, `unwelcome_at`     Retract  on a fresh look, else Look
 5  an assignment that waits, and is due                                            Create   on a fresh look, else Look
 6  a deadline ahead                                                                Wait     until the earliest
 7  else                                                                            Rest     the sweep still looks in

A passed deadline means Look; it never judges by itself. So no Create is made without a look that saw the room (law 4),
none while an attempt of the same assignment is open (law 5), and none in a session that is over (law 14).
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct

from dispatcher.core import late, patience, timing, verdicts
from dispatcher.core.facts import Ms
from dispatcher.core.rules import Target
from dispatcher.core.session import Attempt, Session


class Look(Struct, frozen=True):
    """See what LiveKit shows."""


class Create(Struct, frozen=True, kw_only=True):
    """Ask for an agent: this assignment's attempt of this number."""

    assignment: str
    number: int
    target: Target


class Retract(Struct, frozen=True, kw_only=True):
    """Take back what a closed attempt of ours left: its agent (by SID) first, and once that is gone its dispatch.

    Of an agent that the configuration sends away (`core.nameless`) the SID is all there is.
    """

    assignment: str = ""
    number: int = 0
    agent_sid: str = ""
    dispatch: str = ""


class Wait(Struct, frozen=True):
    """Nothing to do before `until`, on the ledger's clock."""

    until: Ms


class Rest(Struct, frozen=True):
    """Nothing is owed."""


Step: TypeAlias = Look | Create | Retract | Wait | Rest


def plan(session: Session, now: Ms, *, fresh: bool) -> Step:
    """The next step. `fresh`: the session's last look is recent enough to act on."""
    if session.finished:
        return Rest()
    instants = tuple(deadlines(session))
    if any(session.looked_at < deadline <= now for deadline in instants):
        return Look()
    if session.stale:
        return _look_or_wait(session, instants, now)
    if session.missed_at:
        looks = (session.missed_at + timing.ENDING_MS, *late.unseen(session))
        return Wait(min(instant for instant in looks if instant > now))
    act = _retract(session, now) or _create(session, now)
    if act is not None:
        return act if fresh else Look()
    ahead = [instant for instant in (*instants, *_due(session)) if instant > now]
    return Wait(min(ahead)) if ahead else Rest()


def _look_or_wait(session: Session, instants: Iterable[Ms], now: Ms) -> Look | Wait:
    """Look at once; where so many people make each look dear, once in a while. What came in meanwhile it shows, too."""
    again = session.looked_at + session.apart
    if not session.looked_at <= now < again:
        return Look()
    return Wait(min([again, *(ahead for ahead in instants if ahead > now)]))


def deadlines(session: Session) -> Iterator[Ms]:
    """The instants at which the session must be looked at."""
    if session.missed_at:
        yield session.missed_at + timing.ENDING_MS
    yield from late.unseen(session)
    yield from late.undecided(session)
    if session.unattributed_since:
        yield from (session.unattributed_since + after for after in timing.UNATTRIBUTED_MS)
    for assignment in session.assignments:
        if assignment.unnamed:
            yield assignment.due_at
        if assignment.alone_since:
            yield assignment.alone_since + timing.ABANDONED_MS
        if assignment.served_by_name:
            yield session.named_since + assignment.policy.join_within
        for attempt in assignment.open:
            yield from verdicts.looks(session, assignment, attempt)
            yield from patience.looks(session, assignment, attempt)


def _due(session: Session) -> Iterator[Ms]:
    if session.unwelcome:
        yield session.unwelcome_at
    for assignment in session.assignments:
        if assignment.waits:
            yield assignment.due_at
        yield from (attempt.retract_at for attempt in assignment.attempts if _retractable(attempt))


def _retractable(attempt: Attempt) -> bool:
    return attempt.ours and not attempt.open and attempt.shows and attempt.retract_at > 0


def _retract(session: Session, now: Ms) -> Retract | None:
    for assignment in session.assignments:
        for attempt in assignment.attempts:
            if _retractable(attempt) and attempt.retract_at <= now:
                dispatch = "" if attempt.agent_sid else attempt.dispatch
                return Retract(
                    assignment=assignment.key, number=attempt.number, agent_sid=attempt.agent_sid, dispatch=dispatch
                )
    if session.unwelcome and session.unwelcome_at <= now:
        return Retract(agent_sid=session.unwelcome[0])
    return None


def _create(session: Session, now: Ms) -> Create | None:
    for assignment in session.assignments:
        if assignment.waits and assignment.due_at <= now:
            return Create(assignment=assignment.key, number=assignment.last_number + 1, target=assignment.next_target)
    return None
