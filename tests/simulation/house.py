"""A simulated room from its opening to its end: who is in it, what is told of it, and when it closes (facts §0, §3)."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from dispatcher.core.events import Event
from dispatcher.core.facts import ABORTED, JOINED, LEFT, ROOM_FINISHED, Ms
from tests.simulation.clock import Clock
from tests.simulation.life import Life
from tests.simulation.members import Departure, Made, Member, Opened, Went, newcomer

LOBBY: Final = "lobby"
AHEAD: Final[Ms] = 7_000  # LiveKit's clock is another one
DEPARTURE_TIMEOUT: Final[Ms] = 20_000
EMPTY_TIMEOUT: Final[Ms] = 300_000
MEDIA: Final[Ms] = 100  # from joining to ACTIVE


class House:
    """The rooms that bear one name, one after the other. `hooked` is called with each event."""

    def __init__(self, clock: Clock, life: Life, calm: Ms) -> None:
        self.clock = clock
        self.life = life
        self.calm = calm
        self.hooked: Callable[[Event], object] = lambda _event: None
        self.random = Random(life.seed)  # noqa: S311
        self.open: Opened | None = None
        self.lives: list[Opened] = []
        self.made: dict[str, Made] = {}  # ever
        self.departures: list[Departure] = []
        self.went: list[Went] = []
        self.known: set[str] = (
            set()
        )  # SIDs whose connection a saved look has shown, or whose end was heard of, since the ledger was emptied
        self.changes = 0
        self.arrived = 0  # agents of ours, ever
        self.retracting: set[str] = set()  # agents and dispatches that we have asked to go
        self._numbers: dict[str, int] = {}

    def hung_up(self, room: Opened, person: Member) -> None:
        """Somebody has gone; nobody minds, but for who is bound to them."""

    def leaves(self, who: str) -> None:
        """Somebody leaves, if there."""
        member = self.open and self.open.members.get(who)
        if self.open and member:
            self.leave(self.open, member, "CLIENT_INITIATED")

    def aborts(self, who: str) -> None:
        """A signal connection whose media never came."""
        if self.open:
            gone = newcomer(who, self.name("PA"), self.stamp)
            self.tell(self.open, ABORTED, gone, "JOIN_FAILURE")

    def closes(self) -> None:
        """Somebody deletes the room."""
        if self.open:
            self.close(self.open, "ROOM_DELETED")

    def kicks(self) -> None:
        """Somebody removes the agent that has been there longest."""
        agents = [one for one in self.open.members.values() if one.is_agent] if self.open else []
        if self.open and agents:
            self.leave(self.open, agents[0], "PARTICIPANT_REMOVED")

    @property
    def stamp(self) -> Ms:
        """Now, on LiveKit's clock."""
        return self.clock.now + AHEAD

    def name(self, prefix: str) -> str:
        """A new id."""
        self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        return f"{prefix}_{self._numbers[prefix]}"

    def enter(self, room: Opened, member: Member) -> None:
        """Somebody is in the room, ACTIVE a little later; whoever bears the same identity is out."""
        old = room.members.get(member.identity)
        if old:
            self.leave(room, old, "DUPLICATE_IDENTITY")
        room.members[member.identity] = member
        room.attended = room.attended or member in room.keepers
        self.clock.after(MEDIA, partial(self._activate, room, member))

    def _activate(self, room: Opened, member: Member) -> None:
        if member.left or room.closed:
            return
        member.active, member.since = True, self.clock.now
        self.changes += 1
        self.tell(room, JOINED, member)

    def leave(self, room: Opened, member: Member, reason: str) -> None:
        """Somebody is out of the room, if still in it."""
        if member.left or room.closed:
            return
        member.left = True
        if room.members.get(member.identity) is member:
            del room.members[member.identity]
        self._gone(room, member, reason)
        if not room.keepers and member.keeps:
            room.emptied = self.clock.now
            self.clock.after(DEPARTURE_TIMEOUT, partial(self.expire, room))

    def _gone(self, room: Opened, member: Member, reason: str) -> None:
        self.changes += 1
        if member.made and reason != "DUPLICATE_IDENTITY":
            member.made.running.discard(member.identity)
        if member.is_agent:
            assignment = member.made.assignment if member.made and not member.strays(room.sid) else ""
            by_us = member.sid in self.retracting or (member.made is not None and member.made.id in self.retracting)
            stayed = self.clock.now - member.since if member.active else 0
            left = (
                member.agent,
                assignment,
                reason,
                self.stamp,
                stayed,
                by_us,
                room.sid,
                member.joined_at,
                member.done,
                frozenset(self.known),
            )
            self.departures.append(Departure(*left))
        if member.is_person:
            self.went.append(Went(member.identity, member.sid, member.joined_at, self.stamp))
            self.hung_up(room, member)
        self.tell(room, LEFT if member.active else ABORTED, member, reason)

    def expire(self, room: Opened) -> None:
        """The room is closed if nobody has kept it open for long enough."""
        if room.closed or room.keepers:
            return
        patience = DEPARTURE_TIMEOUT if room.attended else EMPTY_TIMEOUT
        if self.clock.now - room.emptied >= patience:
            self.close(room, "ROOM_CLOSED")

    def close(self, room: Opened, reason: str) -> None:
        """Everybody is out, and the room is over."""
        for member in list(room.members.values()):
            member.left = True
            self._gone(room, member, reason)
        room.members.clear()
        room.closed, room.closed_at, self.open = True, self.clock.now, None
        self.changes += 1
        self.tell(room, ROOM_FINISHED)

    def tell(self, room: Opened, name: str, member: Member | None = None, reason: str = "") -> None:
        """A webhook is on its way; it bears whole seconds."""
        stamp = self.stamp // 1000 * 1000
        who = member.shown(reason) if member else None
        self.hooked(Event(id=self.name("EV"), name=name, created_at=stamp, room=room.shown(LOBBY), participant=who))
