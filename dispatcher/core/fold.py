"""Fold: what an event adds to a session. Pure, and order-free: an event says little that a look does not say better.

Kept are only what no look can show: the room has ended, why an agent left, what somebody has ordered; and that there is
something to look at.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core import late, timing
from dispatcher.core.assignments import may_be_assigned
from dispatcher.core.departures import DEPARTED_MAX, NOTES_MAX, Departed, Note
from dispatcher.core.events import Event
from dispatcher.core.facts import (
    ABORTED,
    AGENT_JOB_ENDED,
    AGENT_JOBS,
    JOINED,
    LEFT,
    ROOM_FINISHED,
    ROOM_STARTED,
    SWEPT,
    Ms,
    Participant,
)
from dispatcher.core.orders import carry_out
from dispatcher.core.rules import Rule
from dispatcher.core.session import Assignment, Session, with_entry
from dispatcher.core.timeline import Entry, Said

ROOM_ENDING: Final = frozenset({"ROOM_DELETED", "ROOM_CLOSED"})


def fold(session: Session, event: Event, rules: Sequence[Rule], now: Ms) -> Session:
    """The session knows what the event said. Folding it again, or in another order, gives the same in all that matters.

    An event without participant that is not about the room's life (the sweep's) means: look. So does an order, which
    says besides what somebody wants.
    """
    if session.final:
        return session
    if session.finished and event.name in AGENT_JOBS:  # which does not say that the room lives
        return session
    if event.name == ROOM_FINISHED:
        ended = replace(session, finished=True, final=True, stale=False, notes=(), departed=(), here=(), missed_at=0)
        reason = event.end_reason.lower().removeprefix("room_end_") or ROOM_FINISHED
        return with_entry(ended, Entry(at=now, said=Said.ROOM_FINISHED, reason=reason))
    if event.order is not None:
        return carry_out(session, event.order, event.by, now)
    if event.name == SWEPT and _is_unknown(session):
        session = with_entry(session, Entry(at=now, said=Said.ROOM_FOUND))
    if session.finished:  # by looks, and somebody says that it lives
        session = replace(session, finished=False, missed_at=0, stale=True)
    if event.participant is None:
        stale = _room_matters(session, event, rules, now)
        return _with_look(late.heard(session, event, rules, now), event, now, stale=stale)
    if event.participant.as_agent:
        return _fold_agent(session, event, event.participant, now)
    session = replace(session, departed=_departed(session, event, event.participant, now))
    stale = _person_matters(session, event, event.participant, rules)
    return _with_look(late.heard(session, event, rules, now), event, now, stale=stale)


def _is_unknown(session: Session) -> bool:
    """Whether nothing has been heard of the session before."""
    return not (session.looked_at or session.stale or session.entries_total)


def _with_look(session: Session, event: Event, now: Ms, *, stale: bool) -> Session:
    """The session is looked at, if the event is a reason to."""
    return late.expect(replace(session, stale=True), event, now) if stale else session


def _room_matters(session: Session, event: Event, rules: Sequence[Rule], now: Ms) -> bool:
    if event.name in AGENT_JOBS:
        return _job_matters(session, event, now)
    return event.name != ROOM_STARTED or may_be_assigned(session, rules, None)


def _job_matters(session: Session, event: Event, now: Ms) -> bool:
    """Whether an attempt waits for this job, or for any where its tag says nothing.

    Of an agent that was here its leaving says more; and where a job has begun soon, the joining that follows does.
    """
    of_it = (event.assignment, event.number)
    soon = 0 if event.name == AGENT_JOB_ENDED else timing.ATTEMPT_LOOKS_MS[0]
    return any(
        not attempt.agent_sid and now >= attempt.started_at + soon
        for assignment in session.assignments
        for attempt in assignment.open
        if not event.assignment or of_it == (assignment.key, attempt.number)
    )


def _fold_agent(session: Session, event: Event, agent: Participant, now: Ms) -> Session:
    if event.name == JOINED:
        known = any(
            attempt.serving and attempt.agent_sid == agent.sid
            for assignment in session.assignments
            for attempt in assignment.attempts
        )
        return _with_look(session, event, now, stale=not known)
    if event.name not in {LEFT, ABORTED}:
        return session
    note = Note(
        sid=agent.sid,
        identity=agent.known_as,
        reason=agent.disconnect_reason,
        received_at=now,
        joined_at=agent.joined_at,
        left_at=event.created_at + timing.SECOND_MS - 1,
        done=agent.done,
    )
    others = tuple(old for old in session.notes if old.sid != agent.sid)
    session = replace(session, notes=(*others, note)[-NOTES_MAX:])
    if agent.disconnect_reason in ROOM_ENDING:  # room_finished follows; if it does not, a look 5 s later finds out
        return replace(session, missed_at=session.missed_at or now)
    return replace(session, stale=True)


def _departed(session: Session, event: Event, person: Participant, now: Ms) -> tuple[Departed, ...]:
    """Who has just gone, and may come back; remembered while an agent may be saying goodbye to them."""
    wanted = (person.kind in assignment.policy.kinds and assignment.open for assignment in session.assignments)
    concerned = not session.looked_at or any(wanted)  # of an emptied ledger's session nothing is known before a look
    if event.name not in {LEFT, ABORTED} or not concerned:
        return session.departed
    gone = Departed(sid=person.sid, identity=person.known_as, heard_at=now)
    others = tuple(old for old in session.departed if old.sid != person.sid)
    return (*others, gone)[-DEPARTED_MAX:]


def _person_matters(session: Session, event: Event, person: Participant, rules: Sequence[Rule]) -> bool:
    if event.name in {LEFT, ABORTED}:
        return any(_missed_by(person, assignment) for assignment in session.assignments)
    if not person.is_person:
        return False
    if any(person.kind in assignment.policy.kinds and assignment.serving is None for assignment in session.assignments):
        return True
    asked_for = event.asked_for if session.looked_at else None  # who is there has never been seen
    return may_be_assigned(session, rules, person, asked_for)


def _missed_by(person: Participant, assignment: Assignment) -> bool:
    """Whether it makes a difference to the assignment that this person has left."""
    if assignment.identity:
        return assignment.identity == person.known_as and bool(assignment.open)
    return person.kind in assignment.policy.kinds and assignment.serving is None and not assignment.finished_at
