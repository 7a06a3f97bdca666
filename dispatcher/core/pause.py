"""Agents that nobody is given for now: an assignment goes on to its next target, or is held where every one is paused.

Only assignments that wait are touched, each time they are planned for: nothing live is, and nothing of it is pinned.
The names come in as a value, and what is stored (`Assignment.paused`) says no more than how it stood when it was last
asked.
"""

from collections.abc import Collection

from msgspec.structs import replace

from dispatcher.core import retries
from dispatcher.core.facts import Ms
from dispatcher.core.session import Assignment, Session, with_assignment, with_entry
from dispatcher.core.timeline import Entry, Said


def pause(session: Session, paused: Collection[str], now: Ms) -> Session:
    """No assignment that waits is for a paused agent next, unless all are; one paused no more has its whole budget."""
    for assignment in session.assignments:
        session = _pause(session, assignment, paused, now)
    return session


def _pause(session: Session, assignment: Assignment, paused: Collection[str], now: Ms) -> Session:
    free = [at for at, target in enumerate(assignment.policy.targets) if target.name not in paused]
    if not assignment.needs_attempt:
        return with_assignment(session, replace(assignment, paused=False)) if assignment.paused else session
    if not free:
        return session if assignment.paused else _pause_all(session, assignment, now)
    if assignment.paused:
        assignment = replace(retries.renewed(assignment), paused=False)
        session = _with_entry(session, assignment, Said.ASSIGNMENT_RESUMED, now)
    return _pass_over(session, assignment, free, now)


def _pause_all(session: Session, assignment: Assignment, now: Ms) -> Session:
    return _with_entry(session, replace(assignment, paused=True), Said.ASSIGNMENT_PAUSED, now)


def _pass_over(session: Session, assignment: Assignment, free: list[int], now: Ms) -> Session:
    """The assignment's next target is the first of `free` from here on; behind the last one its round is used up."""
    if assignment.target_index in free:
        return session
    session = _with_entry(session, assignment, Said.TARGET_SKIPPED, now)
    ahead = next((at for at in free if at > assignment.target_index), None)
    if ahead is not None:
        return with_assignment(session, replace(assignment, target_index=ahead, tries=0))
    after = replace(retries.next_round(assignment, now), target_index=free[0])
    return (
        with_assignment(session, after)
        if assignment.rounds
        else _with_entry(session, after, Said.ASSIGNMENT_STARVED, now)
    )


def _with_entry(session: Session, assignment: Assignment, said: Said, now: Ms) -> Session:
    return with_entry(
        with_assignment(session, assignment),
        Entry(at=now, said=said, assignment=assignment.key, agent=str(assignment.next_target)),
    )
