"""How a simulated agent comes, stays and leaves, as its launch's fate says."""

from functools import partial
from typing import Final

from dispatcher.core.facts import AGENT, Ms
from tests.simulation.house import MEDIA, House
from tests.simulation.life import End
from tests.simulation.members import Made, Member, Opened

GHOST: Final[Ms] = 20_000
GOODBYE: Final[Ms] = 1_000  # from a person's leaving to that of the agent bound to them


class Stays(House):
    """Rooms with agents in them."""

    def reopened(self) -> Opened | None:
        """The room of the name, which is opened if need be."""
        raise NotImplementedError

    def arrive(self, room: Opened, made: Made, identity: str, *, late: bool) -> None:
        """The agent of a job joins, if its dispatch still stands; it opens a room that has closed meanwhile."""
        if made.deleted and not late:
            return
        if room.closed:
            reopened = self.reopened() if made.fate.revives else None
            if reopened is None:
                return
            room = reopened
        agent = Member(self.name("PA"), identity, AGENT, self.stamp, agent=made.target.name, made=made)
        people = sorted((one for one in room.members.values() if one.is_person), key=lambda one: one.joined_at)
        agent.bound = next(iter(people), None) if made.fate.bound else None
        self.enter(room, agent)
        made.came_at = made.came_at or (0 if agent.strays(room.sid) else self.clock.now)
        self.arrived += made.ours
        match made.fate.end:
            case End.RAISES:
                self.clock.after(MEDIA + 10, partial(self._unless_calm, room, agent, "CLIENT_INITIATED"))
            case End.FINISHES:
                self.clock.after(MEDIA + made.fate.stay, partial(self._unless_calm, room, agent, "CLIENT_INITIATED"))
            case End.SAYS_DONE:
                self.clock.after(MEDIA + made.fate.stay, partial(self._says_done, room, agent))
            case End.CRASHES:
                self.clock.after(MEDIA + made.fate.stay, partial(self._crash, room, agent))
            case End.REJOINS:
                self.clock.after(MEDIA + made.fate.stay, partial(self._rejoin, room, agent))
            case End.STAYS:
                pass

    def _unless_calm(self, room: Opened, agent: Member, reason: str) -> None:
        if self.clock.now < self.calm:
            self.leave(room, agent, reason)

    def _says_done(self, room: Opened, agent: Member) -> None:
        agent.done = self.clock.now < self.calm
        self._unless_calm(room, agent, "CLIENT_INITIATED")

    def _crash(self, room: Opened, agent: Member) -> None:
        if self.clock.now < self.calm and not agent.left:
            agent.dead = True
            self.clock.after(GHOST, partial(self.leave, room, agent, "CONNECTION_TIMEOUT"))

    def _rejoin(self, room: Opened, agent: Member) -> None:
        if self.clock.now < self.calm and not agent.left:
            self.enter(
                room, Member(self.name("PA"), agent.identity, AGENT, self.stamp, agent=agent.agent, made=agent.made)
            )

    def hung_up(self, room: Opened, person: Member) -> None:
        """Whoever is bound to them leaves as well."""
        for agent in [one for one in room.members.values() if one.bound is person]:
            self.clock.after(GOODBYE, partial(self._unless_calm, room, agent, "CLIENT_INITIATED"))
