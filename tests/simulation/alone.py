"""Watches for agents that are alone in a room which died as they were asked for, and which they have opened again."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from dispatcher.core.facts import Ms, RoomSid
from dispatcher.core.revival import may_come
from dispatcher.core.session import Attempt, Session
from dispatcher.core.timeline import Said
from tests.simulation.clock import Clock
from tests.simulation.laws import Laws
from tests.simulation.members import Made, Opened
from tests.simulation.rulebook import RULEBOOK

ALONE: Final[Ms] = 15_000
KNOWN: Final[Ms] = 60_000  # from an end, in which it says whose an agent is
SETTLING: Final[Ms] = 10_000  # a lease of before the calm


class Alone:
    """How long they are, while all is heard or after the calm; only where the ledger shows whose they are."""

    def __init__(self, clock: Clock, laws: Laws, calm: Ms, session_of: Callable[[RoomSid], Session | None]) -> None:
        self.clock = clock
        self.laws = laws
        self.calm = calm
        self._session_of = session_of
        self._since: dict[RoomSid, Ms] = {}

    def watch(self, room: Opened | None) -> None:
        """After each change."""
        alone = room if room is not None and self._known(room) else None
        if alone is not None:
            self._since.setdefault(alone.sid, self.clock.now)
        for sid in [sid for sid in self._since if alone is None or sid != alone.sid]:
            self._judge(sid, self._since.pop(sid))

    def conclude(self) -> None:
        """The life is over."""
        for sid, since in self._since.items():
            self._judge(sid, since)

    def _judge(self, sid: RoomSid, since: Ms) -> None:
        lasted = self.clock.now - since
        if self.laws.life.dry_run or (not self.laws.life.heard and since < self.calm + SETTLING):
            return
        self.laws.worst.alone = max(self.laws.worst.alone, lasted)
        if lasted > ALONE:
            self.laws.broken(0, f"agents of ours alone in {sid} for {lasted} ms")

    def _known(self, room: Opened) -> bool:
        """Whether nobody is there but agents that might still come as an earlier session of the name ended."""
        here = list(room.members.values())
        made = [one.made for one in here if one.made is not None and one.active and one.strays(room.sid)]
        return bool(made) and len(made) == len(here) and self._all_tied(room, made)

    def _all_tied(self, room: Opened, made: Sequence[Made]) -> bool:
        names = {one.target.name for one in made}
        listed = {one.target.name for one in room.dispatches.values()}
        session = self._session_of(room.sid)
        waits = {one.target.name for one in _attempts(session) if one.open} if session is not None else set[str]()
        wanted = any(rule.policy.trigger == "room_started" for rule in RULEBOOK[self.laws.life.rules])
        spent = _explained(session, {one.sid for one in room.members.values()}) if session is not None else set()
        return not wanted and names.isdisjoint(listed | waits) and all(self._tied(one, spent) for one in made)

    def _tied(self, made: Made, spent: Collection[tuple[str, Ms]]) -> bool:
        before = self._session_of(made.room)
        if before is None or not before.finished or not made.ours:
            return False
        ended = max(entry.at for entry in before.timeline if entry.said is Said.ROOM_FINISHED)
        same = [one for one in _attempts(before) if may_come(one) and one.target == made.target]
        assignment = before.find(made.assignment)
        attempt = assignment.find(made.number) if assignment is not None else None
        cut_short = attempt is not None and may_come(attempt) and (made.assignment, attempt.started_at) not in spent
        return cut_short and all(one.ours for one in same) and self.clock.now < ended + KNOWN - ALONE


def _explained(session: Session, here: Collection[str]) -> set[tuple[str, Ms]]:
    """The attempts of sessions before by which somebody who is gone now was taken for ours: each explains one agent."""
    return {
        (assignment.key, attempt.started_at)
        for assignment in session.assignments
        for attempt in assignment.attempts
        if attempt.belated and attempt.last_agent_sid not in here
    }


def _attempts(session: Session) -> list[Attempt]:
    return [attempt for assignment in session.assignments for attempt in assignment.attempts]
