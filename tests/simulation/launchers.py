"""Simulated launchers: each starts a process for who asks, and knows a request again by its token."""

from functools import partial
from typing import Final

from dispatcher.core.effects import Ask
from dispatcher.core.facts import Ms
from tests.simulation.life import Answer, Fate
from tests.simulation.members import Made
from tests.simulation.rooms import GONE, HEALTHY, Rooms

HOUR: Final[Ms] = 3_600_000
JOIN_WITHIN: Final[Ms] = 30_000
_JOINS: Final = frozenset({Answer.ACCEPTS})


class Launchers:
    """All launchers of one name. What they start joins the rooms; one of them is asked, whichever is the freest."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._started: dict[tuple[int, str], tuple[Ms, Made]] = {}  # the last one of each identity, by launcher
        self._asked = 0

    def launch(self, ask: Ask) -> str:
        """The id of the launch, old or new; "": no launcher is there, or has a place, or the token's launch is over."""
        rooms, calm = self.rooms, self.rooms.clock.now >= self.rooms.calm
        if ask.step.target.name in rooms.life.dead and not calm:
            return ""
        host = rooms.random.randrange(rooms.life.launchers)
        token, before = ask.started_at // HOUR, self._started.get((host, ask.identity))
        if before is not None and before[0] == token:
            return "" if before[1].deleted else before[1].id
        number, self._asked = self._asked, self._asked + 1
        fate = rooms.life.fates[number] if number < len(rooms.life.fates) and not calm else HEALTHY
        if fate.answer is Answer.REJECTS:
            return ""
        if before is not None:
            self.stop(before[1].id)
        return self._start(host, ask, fate, token)

    def stop(self, launch: str) -> bool:
        """The launch is over, whatever has come of it. False: there is none, or it has been."""
        made = self.rooms.made.get(launch)
        if made is None or made.deleted:
            return False
        made.deleted = True
        room = self.rooms.open
        for member in list(room.members.values()) if room else ():
            if room and member.made is made and not member.dead:
                self.rooms.clock.after(GONE, partial(self.rooms.leave, room, member, "CLIENT_INITIATED"))
        return True

    def _start(self, host: int, ask: Ask, fate: Fate, token: Ms) -> str:
        rooms, step = self.rooms, ask.step
        room = next((one for one in rooms.lives if ask.tag.split(":")[1] == one.sid), None)
        if room is None:
            return ""
        made = Made(rooms.name("LA"), step.target, ask.tag, fate, room.sid)
        made.assignment, made.number = step.assignment, step.number
        rooms.made[made.id] = made
        self._started[host, ask.identity] = (token, made)
        rooms.clock.after(JOIN_WITHIN, partial(self._give_up, made))
        if fate.answer in _JOINS:
            rooms.clock.after(fate.take + fate.start, partial(rooms.arrive, room, made, ask.identity, late=False))
        return made.id

    def _give_up(self, made: Made) -> None:
        """A launcher ends what has not joined in time."""
        made.deleted = made.deleted or not made.came_at
