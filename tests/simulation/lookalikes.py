"""Agents that are not ours, and that nothing tells from one of ours which opens its dead room again."""

from typing import Final

from dispatcher.core.facts import Ms
from dispatcher.core.session import Session
from tests.simulation.life import Life, Reply
from tests.simulation.members import Made, Member
from tests.simulation.rooms import Rooms

SOON: Final[Ms] = 500
SEEN: Final[Ms] = 10_000  # where all is heard, an agent that was there for so long was seen


class Lookalikes:
    """Those of a life. What they were once taken for they may be taken for again."""

    def __init__(self, rooms: Rooms, life: Life) -> None:
        self.rooms = rooms
        self._all_heard = life.heard and all(call.reply is Reply.OK and call.took <= SOON for call in life.creates)
        self._found: set[str] = set()
        self._unasked: dict[str, set[str]] = {}  # agents, by session

    def saved(self, session: Session) -> None:
        """LiveKit may never have heard of what it waits for: who saved an attempt may die before the call."""
        waits = [one for assignment in session.assignments for one in assignment.open if not one.dispatch]
        self._unasked[session.sid] = {one.target.name for one in waits}

    def include(self, member: Member) -> bool:
        """Whether only agents are there, and one of its name was asked for in a life before and was never seen."""
        if member.sid in self._found:
            return True
        room = self.rooms.open
        if room is None or not all(one.is_agent for one in room.members.values()) or not member.granted_as_job:
            return False
        if member.made is not None and not member.strays(room.sid):
            return False
        if any(sid != room.sid and member.agent in agents for sid, agents in self._unasked.items()):
            self._found.add(member.sid)
            return True
        before = [one for one in self.rooms.made.values() if one.ours and one.room != room.sid]
        if not any(one.target.name == member.agent and not self._seen(one) for one in before):
            return False
        self._found.add(member.sid)
        return True

    def _seen(self, made: Made) -> bool:
        ended = next(room.closed_at for room in self.rooms.lives if room.sid == made.room)
        return self._all_heard and 0 < made.came_at <= ended - SEEN
