"""Agents that are not ours, and that nothing tells from one of ours which opens its dead room again."""

from tests.simulation.life import Life
from tests.simulation.members import Member
from tests.simulation.rooms import Rooms


class Lookalikes:
    """Those of a life. What they were once taken for they may be taken for again."""

    def __init__(self, rooms: Rooms, life: Life) -> None:
        self.rooms = rooms
        self.life = life
        self._found: set[str] = set()

    def include(self, member: Member) -> bool:
        """Whether it is alone, where one of its name was asked for in a life before and had not come.

        Where not all is heard, that it had come may never have been known.
        """
        if member.sid in self._found:
            return True
        room = self.rooms.open
        if room is None or list(room.members.values()) != [member] or not member.granted_as_job:
            return False
        if member.made is not None and not member.strays(room.sid):
            return False
        before = [one for one in self.rooms.made.values() if one.ours and one.room != room.sid]
        not_come = [one for one in before if not (one.came and self.life.heard)]
        if all(one.target.agent != member.agent for one in not_come):
            return False
        self._found.add(member.sid)
        return True
