"""Whether an assignment may count as done: somebody ended it on purpose, and everybody who waits had met that agent."""

from collections.abc import Iterable, Sequence
from typing import Final

from dispatcher.core.facts import Ms, RoomSid
from dispatcher.core.session import Assignment
from tests.simulation.members import Departure, Member, Went

MIN_STAY: Final[Ms] = 4_900  # from being active; what counts is from joining, 100 ms before
SOON: Final[Ms] = 60_100
MEETING: Final[Ms] = 10_000
SECOND: Final[Ms] = 1_000  # webhooks bear whole seconds


def done_for(
    waiting: Sequence[Member], assignment: Assignment, departures: Iterable[Departure], went: Sequence[Went]
) -> bool:
    """Whether one of these departures ends the assignment for all of those who wait."""
    own = [gone for gone in departures if not gone.by_us and _of(assignment, gone)]
    return any(
        _on_purpose(gone, own, assignment) and all(_had_met(one, gone, waiting, went) for one in waiting)
        for gone in own
    )


def in_room(sid: RoomSid, departures: Iterable[Departure]) -> list[Departure]:
    """Those of this life of the room."""
    return [gone for gone in departures if gone.room == sid]


def _of(assignment: Assignment, gone: Departure) -> bool:
    names = {target.name for target in assignment.policy.targets}
    return gone.assignment == assignment.key if gone.assignment else gone.agent in names


def _on_purpose(gone: Departure, own: Sequence[Departure], assignment: Assignment) -> bool:
    if gone.done:
        return True
    if gone.stayed < MIN_STAY:
        return False
    if gone.reason == "PARTICIPANT_REMOVED":
        return True
    if gone.reason != "CLIENT_INITIATED":
        return False
    soon = [one for one in own if one.reason == gone.reason and not one.done and MIN_STAY <= one.stayed < SOON]
    taken_so = assignment.policy.on_finish == "done" or assignment.policy.trigger == "room_started"
    return taken_so or (gone in soon and gone is not soon[0])


def _had_met(one: Member, gone: Departure, waiting: Sequence[Member], went: Sequence[Went]) -> bool:
    """By what truly happened: they were there together from the start, for long, or beside somebody who was."""
    if one.joined_at > gone.left + SECOND:
        return False
    if _together(one, gone):
        return True
    known = [old for old in went if old.sid in gone.known]  # what LiveKit does not show is forgotten with the ledger
    came_back = any(
        old.identity == one.identity and old.sid != one.sid and old.left > gone.left - MEETING for old in known
    )
    there_still: list[Member | Went] = [*waiting, *(old for old in went if old.left > gone.left)]
    return not came_back and any(_together(other, gone) for other in there_still)


def _together(one: Member | Went, gone: Departure) -> bool:
    return one.joined_at <= max(gone.joined + SECOND, gone.left - MEETING + SECOND)
