"""A simulated LiveKit: one room name, its lives, its workers. As a server was seen to behave, or was read to (facts §0, §2-4)."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from dispatcher.core.events import ABORTED, AGENT, JOINED, LEFT, ROOM_FINISHED, ROOM_STARTED, Event, Ms, RoomSid
from dispatcher.core.rules import Target
from dispatcher.core.seen import Dispatch, Job
from tests.simulation.clock import Clock
from tests.simulation.life import Answer, End, Fate, Life
from tests.simulation.members import Departure, Made, Member, Opened, newcomer

LOBBY: Final = "lobby"
AHEAD: Final[Ms] = 7_000  # LiveKit's clock is another one
GHOST: Final[Ms] = 20_000
DEPARTURE_TIMEOUT: Final[Ms] = 20_000
EMPTY_TIMEOUT: Final[Ms] = 300_000
MEDIA: Final[Ms] = 100  # from joining to ACTIVE
GONE: Final[Ms] = 200  # from being asked to go
HEALTHY: Final = Fate()


class Rooms:
    """The rooms of one project that bear the one name. `hook` is told of each event."""

    def __init__(self, clock: Clock, life: Life, calm: Ms, hook: Callable[[Event], None]) -> None:
        self.clock = clock
        self.life = life
        self.calm = calm
        self.hook = hook
        self.random = Random(life.seed)  # noqa: S311
        self.open: Opened | None = None
        self.lives: list[Opened] = []
        self.made: dict[str, Made] = {}  # ever
        self.departures: list[Departure] = []
        self.changes = 0
        self.retracting: set[str] = set()  # agents and dispatches that we have asked to go
        self._numbers: dict[str, int] = {}

    # People

    def joins(self, who: str) -> None:
        """Somebody of the cast joins; the room is opened for them."""
        if not self.open:
            self._open(token=self.life.token)
        room = self.open
        if room:
            self._enter(room, newcomer(who, self._name("PA"), self._stamp))

    def leaves(self, who: str) -> None:
        """Somebody leaves, if there."""
        member = self.open and self.open.members.get(who)
        if self.open and member:
            self._leave(self.open, member, "CLIENT_INITIATED")

    def aborts(self, who: str) -> None:
        """A signal connection whose media never came."""
        if self.open:
            gone = newcomer(who, self._name("PA"), self._stamp)
            self._tell(self.open, ABORTED, gone, "JOIN_FAILURE")

    def closes(self) -> None:
        """Somebody deletes the room."""
        if self.open:
            self._close(self.open, "ROOM_DELETED")

    def kicks(self) -> None:
        """Somebody removes the agent that has been there longest."""
        agents = [one for one in self.open.members.values() if one.is_agent] if self.open else []
        if self.open and agents:
            self._leave(self.open, agents[0], "PARTICIPANT_REMOVED")

    def asks(self) -> None:
        """An app dispatches a greeter."""
        if self.open:
            self._dispatch(self.open, Target("greeter"), "")

    def deletes(self) -> None:
        """Somebody deletes the newest dispatch."""
        if self.open and self.open.dispatches:
            self.delete(next(reversed(self.open.dispatches)))

    # The server's API

    def create(self, target: Target, tag: str) -> str:
        """CreateDispatch: never asks whether there is a worker, and opens the room where there is none."""
        if not self.open:
            self._open(token=False)
        return self._dispatch(self.open, target, tag).id if self.open else ""

    def delete(self, dispatch: str) -> bool:
        """DeleteDispatch: no longer listed; the agents of running jobs are removed by their identity. False: 404."""
        room = self.open
        made = room.dispatches.pop(dispatch, None) if room else None
        if room is None or made is None:
            return False
        made.deleted = True
        for identity in made.running:
            self.clock.after(GONE, partial(self._remove, room, identity, "CLIENT_INITIATED"))
        made.running.clear()
        return True

    def remove(self, identity: str) -> Member | None:
        """RemoveParticipant; None: 404."""
        room = self.open
        member = room.members.get(identity) if room else None
        if room and member:
            self.clock.after(self.random.randrange(GONE), partial(self._leave, room, member, "PARTICIPANT_REMOVED"))
        return member

    def dispatches(self) -> tuple[Dispatch, ...] | None:
        """ListDispatch; None: no room answers."""
        return tuple(made.shown() for made in self.open.dispatches.values()) if self.open else None

    # The room

    @property
    def _stamp(self) -> Ms:
        return self.clock.now + AHEAD

    def _name(self, prefix: str) -> str:
        self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        return f"{prefix}_{self._numbers[prefix]}"

    def _open(self, *, token: bool) -> None:
        self.open = room = Opened(RoomSid(self._name("RM")), self._stamp, emptied=self.clock.now)
        self.lives.append(room)
        self.changes += 1
        self._tell(room, ROOM_STARTED)
        self.clock.after(EMPTY_TIMEOUT, partial(self._expire, room))
        if token:
            self._dispatch(room, Target("greeter"), "")
        implicit = Made(self._name("AD"), Target(""), "", HEALTHY)  # every room lists one without a name
        room.dispatches[implicit.id] = implicit

    def _enter(self, room: Opened, member: Member) -> None:
        old = room.members.get(member.identity)
        if old:
            self._leave(room, old, "DUPLICATE_IDENTITY")
        room.members[member.identity] = member
        room.attended = room.attended or member in room.keepers
        self.clock.after(MEDIA, partial(self._activate, room, member))

    def _activate(self, room: Opened, member: Member) -> None:
        if member.left or room.closed:
            return
        member.active, member.since = True, self.clock.now
        self.changes += 1
        self._tell(room, JOINED, member)

    def _remove(self, room: Opened, identity: str, reason: str) -> None:
        member = room.members.get(identity)
        if member and not room.closed:
            self._leave(room, member, reason)

    def _leave(self, room: Opened, member: Member, reason: str) -> None:
        if member.left or room.closed:
            return
        member.left = True
        if room.members.get(member.identity) is member:
            del room.members[member.identity]
        self._gone(room, member, reason)
        if not room.keepers and member.kind not in {AGENT, "EGRESS"}:
            room.emptied = self.clock.now
            self.clock.after(DEPARTURE_TIMEOUT, partial(self._expire, room))

    def _gone(self, room: Opened, member: Member, reason: str) -> None:
        self.changes += 1
        if member.made and reason != "DUPLICATE_IDENTITY":
            member.made.running.discard(member.identity)
        if member.is_agent:
            want = member.made.want if member.made else ""
            by_us = member.sid in self.retracting or (member.made is not None and member.made.id in self.retracting)
            stayed = self.clock.now - member.since if member.active else 0
            self.departures.append(Departure(member.agent, want, reason, self._stamp, stayed, by_us, room.sid))
        self._tell(room, LEFT if member.active else ABORTED, member, reason)

    def _expire(self, room: Opened) -> None:
        if room.closed or room.keepers:
            return
        patience = DEPARTURE_TIMEOUT if room.attended else EMPTY_TIMEOUT
        if self.clock.now - room.emptied >= patience:
            self._close(room, "ROOM_CLOSED")

    def _close(self, room: Opened, reason: str) -> None:
        for member in list(room.members.values()):
            member.left = True
            self._gone(room, member, reason)
        room.members.clear()
        room.closed, self.open = True, None
        self.changes += 1
        self._tell(room, ROOM_FINISHED)

    def _tell(self, room: Opened, name: str, member: Member | None = None, reason: str = "") -> None:
        stamp = self._stamp // 1000 * 1000
        who = member.shown(reason) if member else None
        self.hook(Event(id=self._name("EV"), name=name, created_at=stamp, room=room.shown(LOBBY), participant=who))

    # Workers

    def _dispatch(self, room: Opened, target: Target, tag: str) -> Made:
        number, calm = len(self.made), self.clock.now >= self.calm
        fate = self.life.fates[number] if number < len(self.life.fates) and not calm else HEALTHY
        made = Made(self._name("AD"), target, tag, fate)
        self.made[made.id] = room.dispatches[made.id] = made
        if fate.answer is not Answer.SILENT:
            self.clock.after(fate.take, partial(self._answer, room, made))
        return made

    def _answer(self, room: Opened, made: Made) -> None:
        if room.closed or (made.deleted and not made.fate.outlives):
            return
        if made.fate.answer is Answer.REJECTS:
            self.clock.after(made.fate.lag, partial(made.jobs.append, Job(id=self._name("AJ"), ended=True)))
            return
        job = self._name("AJ")
        identity = f"the-{made.target.agent}" if made.fate.fixed else f"agent-{job}"
        late = made.deleted  # its deletion ended no job of it
        made.running.add(identity)
        self.clock.after(made.fate.lag, partial(made.jobs.append, Job(id=job, identity=identity)))
        if made.fate.answer is Answer.ACCEPTS:
            self.clock.after(made.fate.start, partial(self._arrive, room, made, identity, late=late))

    def _arrive(self, room: Opened, made: Made, identity: str, *, late: bool) -> None:
        if room.closed or (made.deleted and not late):
            return
        agent = Member(self._name("PA"), identity, AGENT, self._stamp, agent=made.target.agent, made=made)
        self._enter(room, agent)
        match made.fate.end:
            case End.RAISES:
                self.clock.after(MEDIA + 10, partial(self._unless_calm, room, agent, "CLIENT_INITIATED"))
            case End.FINISHES:
                self.clock.after(MEDIA + made.fate.stay, partial(self._unless_calm, room, agent, "CLIENT_INITIATED"))
            case End.CRASHES:
                self.clock.after(MEDIA + made.fate.stay, partial(self._crash, room, agent))
            case End.REJOINS:
                self.clock.after(MEDIA + made.fate.stay, partial(self._rejoin, room, agent))
            case End.STAYS:
                pass

    def _unless_calm(self, room: Opened, agent: Member, reason: str) -> None:
        if self.clock.now < self.calm:
            self._leave(room, agent, reason)

    def _crash(self, room: Opened, agent: Member) -> None:
        if self.clock.now < self.calm and not agent.left:
            agent.dead = True
            self.clock.after(GHOST, partial(self._leave, room, agent, "CONNECTION_TIMEOUT"))

    def _rejoin(self, room: Opened, agent: Member) -> None:
        if self.clock.now < self.calm and not agent.left:
            self._enter(room, Member(self._name("PA"), agent.identity, AGENT, self._stamp, agent=agent.agent, made=agent.made))
