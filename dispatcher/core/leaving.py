"""What becomes of an assignment whose agent has left: done, and for whom; replaced; or another failed attempt.

A polite leaving proves nothing: an agent leaves in the same way after a goodbye, after an exception and when its worker
is stopped (docs/livekit.md §0). So an assignment is done only where somebody or something said so, and only for those
whom the agent had met. Whoever has come when all of those were gone, or has come back, is new.
"""

from collections.abc import Collection, Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core import retries, timing
from dispatcher.core.closing import ON_PURPOSE, close
from dispatcher.core.departures import Departed
from dispatcher.core.facts import Ms, Participant
from dispatcher.core.session import Assignment, Attempt, Session, with_assignment
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
    """Until when those have joined for whom the assignment is done; of an unknown instant, everybody who is there."""
    until = left_at or max((one.joined_at for one in waiting), default=1)
    return min(until, min((one.joined_at - 1 for one in new), default=until))


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


def remembered(departed: Sequence[Departed], now: Ms) -> tuple[Departed, ...]:
    """Those of them who went a moment ago."""
    return tuple(gone for gone in departed if now < gone.heard_at + timing.DEPARTED_MS)
