"""Calls to the simulated LiveKit, as processes: at each `yield` so many ms pass, and the caller may die."""

from collections.abc import Generator, Iterator
from typing import Final, TypeAlias

from dispatcher.core import acts
from dispatcher.core.events import Ms, RoomSid
from dispatcher.core.plan import Create, Retract
from dispatcher.core.seen import Seen
from dispatcher.core.session import Session
from tests.simulation.clock import Clock, Do
from tests.simulation.house import LOBBY
from tests.simulation.life import Call, Life, Reply
from tests.simulation.rooms import Rooms

LOOK_MS: Final = 2_000  # dispatcher.livekit.Limits
ACT_MS: Final = 5_000
RETRY_AFTER_MS: Final = 3_000
_UNDONE: Final = frozenset(
    {Reply.NEVER, Reply.UNREACHABLE, Reply.LIMITED, Reply.REFUSED, Reply.NOT_FOUND, Reply.UNAUTHORIZED}
)
_SILENCE: Final = frozenset({Reply.LOST, Reply.NEVER})
FINE: Final = Call()

Answered: TypeAlias = tuple[Reply, str]


class Unseen(Exception):
    """The look failed."""

    def __init__(self, *, unauthorized: bool) -> None:
        super().__init__()
        self.unauthorized = unauthorized


class Line:
    """The connection to LiveKit, with the faults that the life has for it."""

    def __init__(self, clock: Clock, rooms: Rooms, life: Life, calm: Ms) -> None:
        self.clock = clock
        self.rooms = rooms
        self._calm = calm
        self._faults = {"create": iter(life.creates), "look": iter(life.looks), "retract": iter(life.retracts)}

    def look(self, sid: RoomSid) -> Generator[Ms, None, Seen]:
        """As `LiveKit.look`: three reads side by side, each of its own instant. Raises Unseen."""
        call = self._next("look")
        yield from self._fail(call, LOOK_MS)
        yield call.took // 3
        room = self.rooms.open
        if room is None or room.sid != sid:
            return Seen(room=None)
        shown = room.shown(LOBBY)
        yield call.took // 3
        there = self.rooms.open
        participants = tuple(one.shown() for one in there.members.values()) if there else ()
        yield call.took // 3
        dispatches = self.rooms.dispatches()
        if dispatches is None:  # nobody answers for 3 s, and that is too long
            yield LOOK_MS
            raise Unseen(unauthorized=False)
        return Seen(room=shown, participants=participants, dispatches=dispatches)

    def rooms_listed(self) -> Generator[Ms, None, tuple[RoomSid, ...]]:
        """As `LiveKit.rooms`. Raises Unseen."""
        call = self._next("look")
        yield from self._fail(call, ACT_MS)
        yield call.took
        return (self.rooms.open.sid,) if self.rooms.open else ()

    def create(self, step: Create, tag: str) -> Generator[Ms, None, Answered]:
        """What came back, and the dispatch."""
        call = self._next("create")
        made: list[str] = []
        if call.reply not in _UNDONE:
            self.clock.after(call.took, lambda: made.append(self.rooms.create(step, tag)))
        if call.reply in _SILENCE or call.took >= ACT_MS:
            yield ACT_MS
            return Reply.LOST, ""
        yield call.took
        return call.reply, next(iter(made), "")

    def retract(self, do: Do) -> Generator[Ms, None, Reply]:
        """What came back."""
        call = self._next("retract")
        if call.reply not in _UNDONE:
            self.clock.after(min(call.took, ACT_MS), do)
        yield ACT_MS if call.reply in _SILENCE else min(call.took, ACT_MS)
        return call.reply

    def _fail(self, call: Call, within: Ms) -> Iterator[Ms]:
        if call.reply is Reply.OK and call.took < within:
            return
        yield within if call.reply in _SILENCE else min(call.took, within)
        raise Unseen(unauthorized=call.reply is Reply.UNAUTHORIZED)

    def _next(self, kind: str) -> Call:
        return FINE if self.clock.now >= self._calm else next(self._faults[kind], FINE)


def judged(session: Session, step: Create, answered: Answered, now: Ms) -> tuple[Session, bool]:
    """As `dispatcher.calls.ask` maps errors: the session, and whether the outcome is known."""
    reply, made = answered
    match reply:
        case Reply.OK:
            return acts.answered(session, step, made), True
        case Reply.UNREACHABLE:
            return acts.unsent(session, step, now, reply), True
        case Reply.LIMITED:
            return acts.unsent(session, step, now, reply, retry_in=RETRY_AFTER_MS), True
        case Reply.REFUSED:
            return acts.refused(session, step, now, reply), True
        case Reply.NOT_FOUND:
            return acts.unsent(session, step, now, reply), False
        case Reply.UNAUTHORIZED:
            return acts.unsent(session, step, now, reply, retry_in=acts.TROUBLE_MS), True
        case Reply.LOST | Reply.NEVER | Reply.BROKEN:
            return acts.unanswered(session, step, now, reply), False


def taken_back(session: Session, step: Retract, reply: Reply, now: Ms) -> Session:
    """As `dispatcher.calls.take_back`: 404 is as good as done."""
    return acts.retracted(
        session, step, now, done=reply in {Reply.OK, Reply.NOT_FOUND}, why="" if reply is Reply.OK else reply
    )
