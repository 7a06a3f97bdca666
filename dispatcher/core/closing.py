"""How an attempt is closed: its verdict, what it costs the assignment, and when what is left of it is taken back."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core import retries, timing
from dispatcher.core.facts import Ms
from dispatcher.core.session import Assignment, Attempt, Session, with_assignment, with_attempt, with_entry
from dispatcher.core.timeline import Entry, Said, Verdict

ON_PURPOSE: Final = frozenset({Verdict.FINISHED, Verdict.REMOVED})

_FREE: Final = ON_PURPOSE | {Verdict.LEFT, Verdict.CRASHED, Verdict.ENDED, Verdict.CANCELLED}
_PARTED: Final = frozenset({Verdict.SURPLUS, Verdict.CANCELLED})
_NOT_LISTED: Final = frozenset({Verdict.UNSENT, Verdict.REFUSED})
_AT_EASE: Final = frozenset({Verdict.LEFT, Verdict.ENDED})  # whose process may be at its last work


class Why(Struct, frozen=True):
    """Why an attempt ended: LiveKit's or the expression's reason, and how it is known that its agent was done."""

    reason: str = ""
    done: str = ""


UNTOLD: Final = Why()


def close(session: Session, key: str, number: int, verdict: Verdict, now: Ms, why: Why = UNTOLD) -> Session:
    """The attempt has ended as `verdict`, and the assignment's budget has paid for it; what is left is retracted."""
    assignment = session.assignment(key)
    attempt = assignment.attempt(number)
    agent = "" if attempt.agent_missed_at else attempt.agent_sid
    ended = replace(
        attempt,
        verdict=verdict,
        agent_sid=agent,
        agent_missed_at=0,
        retract_at=retract_at(assignment, attempt, verdict, now),
    )
    entry = Entry(
        at=now,
        said=Said.ATTEMPT_ENDED,
        assignment=key,
        number=number,
        agent=str(attempt.target),
        verdict=verdict,
        reason=why.reason,
        done=why.done,
        took=now - attempt.started_at,
        again=attempt.reopened,
        patience=attempt.patience if verdict is Verdict.SILENT else None,
    )
    session = with_entry(with_assignment(session, with_attempt(assignment, ended)), entry)
    # Where another has followed, it was found again after the ledger was emptied, and costs nothing anew.
    past = number < assignment.last_number
    if verdict is Verdict.SURPLUS or past:
        return session
    return pay(session, key, verdict, now, lifeless=attempt.lifeless)


def retract_at(assignment: Assignment, attempt: Attempt, verdict: Verdict, now: Ms) -> Ms:
    """When what is left of an ended attempt is to be taken back; 0: never."""
    reported = assignment.policy.extra_agents == "report" and attempt.agent_sid and verdict is not Verdict.CANCELLED
    if not attempt.ours or reported or verdict in _NOT_LISTED:
        return 0
    if verdict in ON_PURPOSE:
        return 0
    if attempt.launched and verdict not in _AT_EASE:  # its process is ended, which may come back, or has a place
        return now
    if (verdict in _PARTED and attempt.agent_sid) or (verdict is Verdict.SILENT and attempt.queued):
        return now
    return now + timing.LINGER_MS


def pay(session: Session, key: str, verdict: Verdict, now: Ms, *, lifeless: bool = False) -> Session:
    """The assignment's budget has paid for a failed attempt (`Attempt.lifeless`); that it starves now is told."""
    if verdict in _FREE:
        return session
    assignment = session.assignment(key)
    paid = retries.failed(assignment, verdict, now, lifeless=lifeless)
    session = with_assignment(session, paid)
    if assignment.rounds == 0 < paid.rounds:
        return with_entry(
            session, Entry(at=now, said=Said.ASSIGNMENT_STARVED, assignment=key, agent=str(paid.next_target))
        )
    return session
