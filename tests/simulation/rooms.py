"""A simulated LiveKit: dispatches, the server's API, its workers. As seen on a server, or read (facts §0, §2-4)."""

from functools import partial
from typing import Final

from dispatcher.core.facts import ROOM_STARTED, Ms, RoomSid
from dispatcher.core.plan import Create
from dispatcher.core.rules import Target
from dispatcher.core.session import Session
from dispatcher.core.snapshot import Dispatch, Job
from dispatcher.core.tags import Tags
from tests.simulation.house import EMPTY_TIMEOUT, LOBBY
from tests.simulation.life import Answer, Fate
from tests.simulation.members import Made, Member, Opened, newcomer
from tests.simulation.rulebook import RULEBOOK
from tests.simulation.stays import Stays
from tests.unit.core.world import INSTANCE, Pen

THEIRS: Final = Tags(INSTANCE, Pen("theirs"))
GONE: Final[Ms] = 200  # from being asked to go
BLINK: Final[Ms] = 500  # a page that is loaded again
HEALTHY: Final = Fate()


class Rooms(Stays):
    """One project with rooms of one name."""

    # People

    def joins(self, who: str) -> None:
        """Somebody of the cast joins; the room is opened for them."""
        if not self.open:
            self._open(token=self.life.token)
        room = self.open
        if room:
            self.enter(room, newcomer(who, self.name("PA"), self.stamp))

    def reloads(self, who: str) -> None:
        """Somebody who is there loads the page again."""
        if self.open and who in self.open.members:
            self.leaves(who)
            self.clock.after(BLINK, partial(self.joins, who))

    def asks(self) -> None:
        """An app dispatches a greeter."""
        if self.open:
            self._dispatch(self.open, Target("greeter"), "")

    def forges(self, how: str) -> None:
        """Somebody dispatches an agent as if it were ours."""
        room = self.open
        if room is None:
            return
        target = Target("greeter" if how == "made up" else "stranger")
        ours = next((made.tag for made in reversed(self.made.values()) if made.ours), "")
        if how == "copied" and ours:
            self._dispatch(room, target, ours)
            return
        session = Session(room=LOBBY, sid=room.sid)
        step = Create(assignment=RULEBOOK[self.life.rules][0].name, number=1 + self.random.randrange(4), target=target)
        self._dispatch(room, target, THEIRS.of(session, step))

    def deletes(self) -> None:
        """Somebody deletes the newest dispatch, with its queued launch: nobody could tell whose agent came of that."""
        made = next(reversed(self.open.dispatches.values()), None) if self.open else None
        if made is not None:
            made.dropped = True
            self.delete(made.id)

    # The server's API

    def create(self, step: Create, tag: str) -> str:
        """CreateDispatch: never asks whether there is a worker, and opens the room where there is none."""
        if not self.open:
            self._open(token=False)
        return self._dispatch(self.open, step.target, tag, step).id if self.open else ""

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
            self.clock.after(self.random.randrange(GONE), partial(self.leave, room, member, "PARTICIPANT_REMOVED"))
        return member

    def dispatches(self) -> tuple[Dispatch, ...] | None:
        """ListDispatch; None: no room answers."""
        return tuple(made.shown() for made in self.open.dispatches.values()) if self.open else None

    # The room

    def _open(self, *, token: bool) -> None:
        self.open = room = Opened(RoomSid(self.name("RM")), self.stamp, emptied=self.clock.now)
        self.lives.append(room)
        self.changes += 1
        self.tell(room, ROOM_STARTED)
        self.clock.after(EMPTY_TIMEOUT, partial(self.expire, room))
        if token and self.life.forged:
            self.forges(self.life.forged)
        elif token:
            self._dispatch(room, Target("greeter"), "")
        implicit = Made(self.name("AD"), Target(""), "", HEALTHY, room.sid)  # every room lists one without a name
        room.dispatches[implicit.id] = implicit

    def reopened(self) -> Opened | None:
        """By an agent that joins: without a token's dispatches."""
        if not self.open:
            self._open(token=False)
        return self.open

    def _remove(self, room: Opened, identity: str, reason: str) -> None:
        member = room.members.get(identity)
        if member and not room.closed:
            self.leave(room, member, reason)

    # Workers

    def _dispatch(self, room: Opened, target: Target, tag: str, step: Create | None = None) -> Made:
        number, calm = len(self.made), self.clock.now >= self.calm
        fate = self.life.fates[number] if number < len(self.life.fates) and not calm else HEALTHY
        made = Made(self.name("AD"), target, tag, fate, room.sid)
        if step is not None:
            made.assignment, made.number = step.assignment, step.number
        self.made[made.id] = room.dispatches[made.id] = made
        dead = target.agent in self.life.dead and not calm
        if fate.answer is not Answer.SILENT and not dead:
            self.clock.after(fate.take, partial(self._answer, room, made))
        return made

    def _answer(self, room: Opened, made: Made) -> None:
        if made.dropped or (made.deleted and not made.fate.outlives) or (room.closed and not made.fate.revives):
            return
        if made.fate.answer is Answer.REJECTS:
            self.clock.after(made.fate.lag, partial(made.jobs.append, Job(id=self.name("AJ"), ended=True)))
            return
        job = self.name("AJ")
        identity = f"the-{made.target.agent}-{made.assignment}" if made.fate.fixed else f"agent-{job}"
        late = made.deleted  # its deletion ended no job of it
        made.running.add(identity)
        self.clock.after(made.fate.lag, partial(made.jobs.append, Job(id=job, identity=identity)))
        if made.fate.answer is Answer.ACCEPTS:
            self.clock.after(made.fate.start, partial(self.arrive, room, made, identity, late=late))
