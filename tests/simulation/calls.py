"""Calls to the simulated LiveKit, as processes: at each `yield` so many ms pass, and the caller may die."""

from collections.abc import Generator, Iterator
from typing import Final, TypeAlias

from msgspec.structs import replace

from dispatcher.core.effects import Ask, Asked, Outcome, TakenBack
from dispatcher.core.facts import Ms, RoomSid
from dispatcher.core.plan import Create
from dispatcher.core.rules import Target
from dispatcher.core.snapshot import RoomSnapshot
from tests.simulation.clock import Clock, Do
from tests.simulation.house import LOBBY
from tests.simulation.launchers import Launchers
from tests.simulation.life import Call, Life, Reply
from tests.simulation.rooms import Rooms

LOOK_MS: Final = 2_000  # dispatcher.livekit.client.CallLimits
ACT_MS: Final = 5_000
RETRY_AFTER_MS: Final = 3_000
_UNDONE: Final = frozenset(
    {Reply.NEVER, Reply.UNREACHABLE, Reply.LIMITED, Reply.REFUSED, Reply.NOT_FOUND, Reply.UNAUTHORIZED}
)
_SILENCE: Final = frozenset({Reply.LOST, Reply.NEVER})
_OUTCOMES: Final = {
    Reply.OK: Outcome.TAKEN,
    Reply.UNREACHABLE: Outcome.UNSENT,
    Reply.LIMITED: Outcome.UNSENT,
    Reply.REFUSED: Outcome.REFUSED,
    Reply.NOT_FOUND: Outcome.ROOM_ABSENT,
    Reply.UNAUTHORIZED: Outcome.UNAUTHORIZED,
    Reply.LOST: Outcome.UNKNOWN,
    Reply.NEVER: Outcome.UNKNOWN,
    Reply.BROKEN: Outcome.UNKNOWN,
}
_OF_LAUNCHERS: Final = _OUTCOMES | {  # the next one is asked, and then another target
    Reply.UNREACHABLE: Outcome.DECLINED,
    Reply.LIMITED: Outcome.DECLINED,
    Reply.NOT_FOUND: Outcome.REFUSED,
    Reply.UNAUTHORIZED: Outcome.REFUSED,
}
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
        self.launchers = Launchers(rooms)
        self._calm = calm
        self._knows_deployments = life.knows_deployments
        self._faults = {"create": iter(life.creates), "look": iter(life.looks), "retract": iter(life.retracts)}

    def look(self, sid: RoomSid) -> Generator[Ms, None, RoomSnapshot]:
        """As `LiveKit.look`: three reads side by side, each of its own instant. Raises Unseen."""
        call = self._next("look")
        yield from self._fail(call, LOOK_MS)
        yield call.took // 3
        room = self.rooms.open
        if room is None or room.sid != sid:
            return RoomSnapshot(room=None)
        shown = room.shown(LOBBY)
        yield call.took // 3
        there = self.rooms.open
        participants = tuple(one.shown() for one in there.members.values()) if there else ()
        yield call.took // 3
        dispatches = self.rooms.dispatches()
        if dispatches is None:  # nobody answers for 3 s, and that is too long
            yield LOOK_MS
            raise Unseen(unauthorized=False)
        return RoomSnapshot(room=shown, participants=participants, dispatches=dispatches)

    def rooms_listed(self) -> Generator[Ms, None, tuple[RoomSid, ...]]:
        """As `LiveKit.rooms`. Raises Unseen."""
        call = self._next("look")
        yield from self._fail(call, ACT_MS)
        yield call.took
        return (self.rooms.open.sid,) if self.rooms.open else ()

    def target(self, step: Create) -> Target:
        """Whom the server asks: one that knows no deployments asks the agent of none."""
        return step.target if self._knows_deployments else replace(step.target, deployment="")

    def ask(self, ask: Ask) -> Generator[Ms, None, Answered]:
        """What came back, and the dispatch or launch."""
        call = self._next("create")
        made: list[str] = []
        if call.reply not in _UNDONE:
            self.clock.after(call.took, lambda: made.append(self._made(ask)))
        if call.reply in _SILENCE or call.took >= ACT_MS:
            yield ACT_MS
            return Reply.LOST, ""
        yield call.took
        id_ = next(iter(made), "")
        declined = bool(ask.step.target.launcher) and call.reply is Reply.OK and not id_
        return Reply.LIMITED if declined else call.reply, id_

    def _made(self, ask: Ask) -> str:
        if ask.step.target.launcher:
            return self.launchers.launch(ask)
        step = replace(ask.step, target=self.target(ask.step))
        return self.rooms.create(step, ask.tag if self._knows_deployments else "")

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


def asked(answered: Answered, target: Target, now: Ms) -> Asked:
    """As `dispatcher.engine.actions` maps errors."""
    reply, made = answered
    retry_in = RETRY_AFTER_MS if reply is Reply.LIMITED else 0
    outcomes = _OF_LAUNCHERS if target.launcher else _OUTCOMES
    outcome, reason = outcomes[reply], "" if reply is Reply.OK else reply
    return Asked(
        now=now, outcome=outcome, dispatch=made, deployment=target.deployment, reason=reason, retry_in=retry_in
    )


def taken_back(reply: Reply, now: Ms) -> TakenBack:
    """As `dispatcher.engine.actions.take_back`: 404 is as good as done."""
    return TakenBack(now, "" if reply in {Reply.OK, Reply.NOT_FOUND} else reply)
