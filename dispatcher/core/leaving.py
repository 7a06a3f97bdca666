"""What becomes of an assignment whose agent has left: done, and for whom; replaced; or another failed attempt.

A polite leaving proves nothing: an agent leaves in the same way after a goodbye, after an exception and when its worker
is stopped (docs/livekit.md §0). So an assignment is done only where somebody or something said so, and only for those
whom the agent had met. Whoever has come when all of those were gone, or has come back, is new; and that somebody has
gone is known by a webhook, or by a look that misses them.
"""

from collections.abc import Collection, Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core import retries, timing
from dispatcher.core.audience import Audience
from dispatcher.core.closing import ON_PURPOSE, close
from dispatcher.core.departures import DEPARTED_MAX, HERE_MAX, Attendee, Departed
from dispatcher.core.facts import Ms, Participant
from dispatcher.core.session import Assignment, Attempt, Session, with_assignment
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Verdict
from dispatcher.core.verdicts import Departure

_POLITE: Final = frozenset({Verdict.LEFT, Verdict.FINISHED})


def depart(
    session: Session, assignment: Assignment, attempt: Attempt, left: Departure, waiting: Sequence[Participant], now: Ms
) -> Session:
    """The attempt is closed, and the assignment done, due again, or poorer by a try. `waiting`: for whom it is."""
    new = newcomers(waiting, left, session.departed)
    verdict = left.verdict
    if verdict in _POLITE and len(new) == len(waiting) and assignment.policy.trigger == "participant_joined":
        verdict = Verdict.ENDED
    session = close(session, assignment.key, attempt.number, verdict, now, left.why)
    others = [note for note in session.notes if note.sid != left.sid and note.identity not in attempt.identities]
    session = replace(session, notes=tuple(others))
    paid = session.assignment(assignment.key)
    if verdict is Verdict.ENDED or (verdict is Verdict.LEFT and new):
        return with_assignment(session, retries.renewed(paid))
    if verdict is Verdict.LEFT:
        return with_assignment(session, replace(retries.left(paid, left.stayed, now), left_at=left.left_at))
    if verdict is Verdict.CRASHED:
        return with_assignment(session, retries.crashed(paid, left.stayed, now))
    if verdict in ON_PURPOSE:
        return with_assignment(session, replace(paid, finished_at=_done_for(waiting, new, left.left_at)))
    return session


def _done_for(waiting: Sequence[Participant], new: Sequence[Participant], left_at: Ms) -> Ms:
    """Until when those have joined for whom the assignment is done.

    Webhooks bear whole seconds: of those who join within the one in which the agent left, it is for who is there now.
    """
    until = done_for_those(waiting)
    until = min(until, left_at) if left_at else until
    return min(until, min((one.joined_at - 1 for one in new), default=until))


def done_for_those(waiting: Sequence[Participant]) -> Ms:
    """Until when those who are there have joined: whoever a look shows later has a later instant. Never 0."""
    return max((one.joined_at for one in waiting), default=1)


def newcomers(waiting: Sequence[Participant], left: Departure, departed: Collection[Departed]) -> list[Participant]:
    """Those present whom an agent that has left had not met.

    Met has who was there when the agent came, or with it for MEETING_MS, or came while such a one was there who is
    there still. Who left the room and came back within that time has not: the agent may have left on their account.
    """
    if not left.left_at:  # no webhook told of it: it may have left long ago
        return []
    by_then = max(left.joined_at, left.left_at - timing.MEETING_MS)
    late = [one for one in waiting if one.joined_at > by_then]
    known = len(late) < len(waiting)
    return [one for one in late if not known or one.joined_at > left.left_at or _came_back(one, departed)]


def _came_back(person: Participant, departed: Collection[Departed]) -> bool:
    return any(gone.identity == person.known_as and gone.sid != person.sid for gone in departed)


def missed(session: Session, snapshot: RoomSnapshot, now: Ms) -> Session:
    """The session knows that those have gone whom its last look showed and this one does not: a webhook may be lost."""
    kept = {one.sid for one in snapshot.participants} | {one.sid for one in session.departed}
    gone = [Departed(sid=one.sid, identity=one.identity, heard_at=now) for one in session.here if one.sid not in kept]
    return replace(session, departed=(*session.departed, *gone)[-DEPARTED_MAX:])


def remembered(session: Session, audience: Audience, now: Ms) -> Session:
    """Those who went a moment ago are remembered, and the latest of those who share an agent, or wait for one."""
    shared = [one for one in session.assignments if one.policy.per == "room" and not (one.finished_at or one.remnant)]
    kinds = frozenset[str]().union(*(one.policy.kinds for one in shared))
    here = [Attendee(one.sid, one.known_as) for one in audience.people if one.kind in kinds]
    departed = tuple(gone for gone in session.departed if now < gone.heard_at + timing.DEPARTED_MS)
    return replace(session, departed=departed, here=tuple(here[-HERE_MAX:]))
