"""What a look means. Everything is judged here, on fresh facts; seeing the same look twice changes nothing.

The order: which assignments there are, which dispatch belongs to which attempt, whose agent is whose, how open attempts
ended, which agents are too many.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core import late, retries, timing
from dispatcher.core.assignments import assign, retarget
from dispatcher.core.attribution import attribute, bind, recall
from dispatcher.core.audience import OBLIVION, Audience, at_once, judge
from dispatcher.core.closing import Why, close
from dispatcher.core.facts import Ms, Participant
from dispatcher.core.jobs import reason
from dispatcher.core.leaving import depart, done_for_those, missed, remembered
from dispatcher.core.nameless import find_unwelcome
from dispatcher.core.rules import Rule
from dispatcher.core.session import Assignment, Attempt, Session, with_assignment, with_attempt, with_entry
from dispatcher.core.snapshot import Dispatch, RoomSnapshot
from dispatcher.core.surplus import (
    part_abandoned,
    part_surplus,
    reopen,
    serve_by_name,
    spare_namesakes,
    watch_unattributed,
)
from dispatcher.core.tags import Tag, Tagging
from dispatcher.core.timeline import Entry, Said
from dispatcher.core.verdicts import departure, overdue

PASSES_MAX: Final = 5  # the last one changes nothing; simulated lives needed 3


def observe(session: Session, snapshot: RoomSnapshot, rules: tuple[Rule, ...], *, tags: Tagging, now: Ms) -> Session:
    """As `conclude`, with everybody judged at once, and nothing remembered of anybody."""
    return conclude(session, snapshot, at_once(judge(snapshot, rules, OBLIVION)), rules, tags=tags, now=now)


def conclude(
    session: Session,
    snapshot: RoomSnapshot,
    audience: Audience | None,
    rules: tuple[Rule, ...],
    *,
    tags: Tagging,
    now: Ms,
) -> Session:
    """The session after a look that began at `now`: every assignment, attempt and agent judged by what it showed.

    The `audience` is the look's; None where it showed no room. If PASSES_MAX passes are not
    enough, the timeline says so; the next look judges what is left.
    """
    session = replace(session, stale=False, looked_at=now)
    if audience is None:
        return _missed(session, now)
    session = missed(replace(session, present=len(snapshot.participants)), snapshot, now)
    snapshot = snapshot.with_launches
    found = tags.found(session, snapshot)
    for _ in range(PASSES_MAX):
        before, session = session, _judged(session, snapshot, audience, rules, found, now)
        if session == before:
            return late.looked(remembered(session, audience, now), snapshot, rules, now)
    return with_entry(session, Entry(at=now, said=Said.PASSES_EXCEEDED))


def _judged(
    session: Session,
    snapshot: RoomSnapshot,
    audience: Audience,
    rules: Sequence[Rule],
    tags: Mapping[str, Tag],
    now: Ms,
) -> Session:
    """One pass: what ends in it makes room for what the next pass finds."""
    before, agents = session, [one for one in snapshot.participants if one.active and one.is_agent]
    session = replace(session, finished=False, missed_at=0, published_at=_published(session, audience, now))
    session = recall(session, snapshot, rules, audience, tags, now)
    session = assign(_attend(session, audience, now), rules, audience, now)
    session = retarget(_attend(session, audience, now), rules, audience, now)
    session, unattributed = attribute(bind(session, snapshot, rules, tags, now), agents, now)
    session = serve_by_name(session, unattributed, now)
    listed = {dispatch.id: dispatch for dispatch in snapshot.dispatches}
    for assignment in session.assignments:
        for attempt in assignment.open:
            session = _judge(session, assignment.key, attempt, listed.get(attempt.dispatch), audience, now)
    session = watch_unattributed(serve_by_name(session, unattributed, now), unattributed, now)
    session = find_unwelcome(session, agents, unattributed)
    joined = {one.sid: one.joined_at for one in snapshot.participants}
    identities = {one.known_as for one in agents}
    for assignment in session.assignments:
        session = reopen(session, assignment.key, joined, now)
        session = part_surplus(session, assignment.key, joined, now)
        session = part_abandoned(session, assignment.key, now)
        session = spare_namesakes(session, assignment.key, identities, now)
        session = _announce(session, assignment.key, joined, _seen_since(before, assignment.key, now), now)
        session = _since_when(session, assignment.key, now)
    return session


def _missed(session: Session, now: Ms) -> Session:
    """The room's SID is not listed: the second time, ENDING_MS later, it is over until somebody says that it lives."""
    if session.finished:
        return session
    if session.missed_at and now >= session.missed_at + timing.ENDING_MS:
        return with_entry(replace(session, finished=True), Entry(at=now, said=Said.ROOM_FINISHED, reason="not_listed"))
    if session.missed_at:
        return session
    return with_entry(replace(session, missed_at=now), Entry(at=now, said=Said.ROOM_UNLISTED))


def _published(session: Session, audience: Audience, now: Ms) -> Ms:
    return session.published_at or (now if any(one.publisher for one in audience.people) else 0)


def _attend(session: Session, audience: Audience, now: Ms) -> Session:
    for assignment in session.assignments:
        waiting = audience.waiting_for(assignment)
        if assignment.cancelled:  # done for those who are there now, by the clock of their joining
            until = done_for_those(waiting)
            assignment = replace(assignment, cancelled=False, finished_at=until)  # noqa: PLW2901
        attended = replace(_begun(assignment, waiting), attended=bool(waiting))
        if _newly_wanted(assignment, waiting):
            attended = retries.renewed(attended)
            session = with_entry(session, Entry(at=now, said=Said.ASSIGNMENT_RENEWED, assignment=assignment.key))
        if assignment.rounds and waiting and not assignment.attended:  # starved, and somebody new has come
            attended = retries.renewed(attended)
        session = with_assignment(session, attended)
    return session


def _begun(assignment: Assignment, waiting: Sequence[Participant]) -> Assignment:
    """The assignment, which knows who was the first to wait."""
    if assignment.first_waiting_at or not waiting:
        return assignment
    return replace(assignment, first_waiting_at=waiting[0].joined_at, invited_at=waiting[0].invited_at)


def _newly_wanted(assignment: Assignment, waiting: Sequence[Participant]) -> bool:
    """Whether somebody has come since its agent left. One that was ordered is done for good when it is done."""
    if assignment.request and assignment.finished_at:
        return False
    gone_at = assignment.finished_at or assignment.left_at
    return gone_at > 0 and any(one.joined_at > gone_at for one in waiting)


def _judge(
    session: Session,
    key: str,
    attempt: Attempt,
    dispatch: Dispatch | None,
    audience: Audience,
    now: Ms,
) -> Session:
    if attempt.serving:
        return session
    assignment = session.assignment(key)
    left = departure(session, assignment, attempt, dispatch, now)
    if left is not None:
        return depart(session, assignment, attempt, left, audience.waiting_for(assignment), now)
    late = overdue(session, assignment, attempt, dispatch, now)
    if attempt.agent_sid or late is None:
        return session
    return close(session, key, attempt.number, late, now, Why(reason(dispatch.jobs) if dispatch else ""))


def _seen_since(before: Session, key: str, now: Ms) -> Ms:
    """Since when the agent of this look is here, by our clock: one without a listed job has served by its name."""
    known = before.find(key)
    return before.named_since if known and known.served_by_name else now


def _announce(session: Session, key: str, joined: dict[str, Ms], seen_since: Ms, now: Ms) -> Session:
    """That an agent serves is told once for each attempt; with the time it took, for the assignment's first.

    That is since the first person had joined, or since the agent was ordered; and since that one's call came in.
    """
    assignment = session.assignment(key)
    serving = assignment.serving
    if serving is None or serving.announced:
        return session
    arrived, first = joined.get(serving.agent_sid, 0), not assignment.announced
    took = _took(assignment, arrived, seen_since) if first else None
    since_invite = _since(assignment.invited_at, arrived) if first and not assignment.ordered_at else None
    assignment = with_attempt(assignment, replace(serving, announced=True))
    session = with_assignment(session, replace(assignment, announced=True))
    return with_entry(
        session,
        Entry(
            at=now,
            said=Said.AGENT_JOINED,
            assignment=key,
            number=serving.number,
            agent=str(serving.target),
            took=took,
            since_invite=since_invite,
        ),
    )


def _took(assignment: Assignment, arrived: Ms, seen_since: Ms) -> Ms | None:
    if assignment.ordered_at:
        return seen_since - assignment.ordered_at
    return _since(assignment.first_waiting_at, arrived)


def _since(begun: Ms, arrived: Ms) -> Ms | None:
    """How long it took from one to the other; None: one of them is not known."""
    return max(0, arrived - begun) if arrived and begun else None


def _since_when(session: Session, key: str, now: Ms) -> Session:
    assignment = session.assignment(key)
    unserved = assignment.attended and not (assignment.serving or assignment.served_by_name or assignment.finished_at)
    since = (assignment.waiting_since or now) if unserved else 0
    if since == assignment.waiting_since:
        return session
    return with_assignment(session, replace(assignment, waiting_since=since))
