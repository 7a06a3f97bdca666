"""How a life must end: soon after the world behaves again, every assignment has exactly one agent, and keeps it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from dispatcher.core.facts import Ms, RoomSid
from dispatcher.core.rules import Rule, matching
from dispatcher.core.session import Assignment, Session
from dispatcher.core.timeline import Said
from dispatcher.ledger import record
from tests.simulation.alone import Alone
from tests.simulation.clock import Clock
from tests.simulation.cluster import SWEEP_MS, Cluster
from tests.simulation.goodbyes import done_for, in_room
from tests.simulation.house import LOBBY
from tests.simulation.laws import Laws
from tests.simulation.life import What
from tests.simulation.members import Member, Opened
from tests.simulation.rooms import Rooms

JOIN_WITHIN: Final[Ms] = 30_000
FEW_SECONDS: Final[Ms] = 8_000
DOUBLE: Final[Ms] = 12_000
SETTLING: Final[Ms] = 10_000  # a lease of before the calm


class Doubles:
    """Watches for two agents of ours for one assignment: how long each time, while all is heard or after the calm."""

    def __init__(self, clock: Clock, laws: Laws, calm: Ms) -> None:
        self.clock = clock
        self.laws = laws
        self.calm = calm
        self._since: dict[tuple[RoomSid, str], Ms] = {}

    def watch(self, rooms: Iterable[Opened]) -> None:
        """After each change."""
        doubles = {(room.sid, key) for room in rooms for key, count in _ours(room).items() if count > 1}
        for double in doubles:
            self._since.setdefault(double, self.clock.now)
        for double in [one for one in self._since if one not in doubles]:
            self._judge(double, self._since.pop(double))

    def _judge(self, double: tuple[RoomSid, str], since: Ms) -> None:
        lasted = self.clock.now - since
        if not self.laws.life.heard and since < self.calm + SETTLING:
            return
        self.laws.worst.double = max(self.laws.worst.double, lasted)
        if lasted > DOUBLE:
            self.laws.broken(0, f"two agents of ours for {double} for {lasted} ms")


class Ending:
    """Watches for two agents where one is wanted, and from the calm on for whatever is not as it should be.

    Somebody else's dispatch whose agent never shows is waited for as long as ours, and one after the other.
    """

    def __init__(self, clock: Clock, rooms: Rooms, cluster: Cluster, laws: Laws, calm: Ms) -> None:
        self.clock = clock
        self.rooms = rooms
        self.cluster = cluster
        self.laws = laws
        self.calm = calm
        asked = sum(one.what in {What.ASKS, What.FORGES} for one in laws.life.happenings) + laws.life.token
        twins = "twin" in {one.who for one in laws.life.happenings}
        self.by = calm + SWEEP_MS + JOIN_WITHIN * (1 + asked) + JOIN_WITHIN * twins + FEW_SECONDS
        self.excused = 0
        self.left_alone = 0
        self._exclusive = {rule.name for rule in cluster.rules if rule.policy.per == "room" and not rule.go_on}
        self._changes = -1
        self._doubles = Doubles(clock, laws, calm)
        self._alone = Alone(clock, laws, calm, self._session)
        self._stands = (-1, -1)
        self._lacking: list[str] = []
        self._told: list[str] = []
        apps = {What.ASKS, What.FORGES, What.WIPES} & {one.what for one in laws.life.happenings}
        self._strict = not apps and laws.life.rules not in {"each", "two", "mixed", "launched each"}

    def watch(self) -> None:
        """After each happening."""
        if self._changes != self.rooms.changes:
            self._changes = self.rooms.changes
            self._doubles.watch(self._rooms())
            self._alone.watch(self.rooms.open)
        if self.clock.now >= self.calm:
            self._watch_ending()

    def conclude(self) -> None:
        """The life is over."""
        self._doubles.watch(self._rooms())
        self._alone.conclude()
        self._watch_ending()
        room = self.rooms.open
        life = next((one for one in self.cluster.lives() if room and one.key.sid == room.sid), None)
        if room and (life is None or life.finished):
            self.laws.broken(7, f"{room.sid} lives, and is {'over' if life else 'unknown'} in the ledger")

    # Exactly one

    def _watch_ending(self) -> None:
        stands = (self.rooms.changes, self.laws.changes)
        if stands != self._stands:
            self._stands, self._lacking = stands, list(self._look_around())
        if not self._lacking:
            return
        into = self.clock.now - self.calm
        if self.clock.now < self.by:
            self.laws.worst.settled = max(self.laws.worst.settled, into)
        elif self._lacking != self._told:
            self._told = self._lacking
            self.laws.broken(0, f"{into} ms into the calm: {'; '.join(self._lacking)}")

    def _look_around(self) -> Iterator[str]:
        """Everything that is not as it should be now."""
        self.excused = self.left_alone = 0
        for room in self._rooms():
            session = self._session(room.sid)
            ours = _ours(room)
            yield from (f"{count} agents for {key}" for key, count in ours.items() if count > 1)
            single = [key for key in ours if key in self._exclusive]
            if len(single) > 1:
                yield f"agents for {' and '.join(single)}, of which a room has one"
            if (
                not room.attended
                and any(not key.startswith("request:") for key in ours)
                and all(rule.policy.trigger == "participant_joined" for rule in self.cluster.rules)
            ):
                yield f"{room.sid} never had anybody in it but agents of ours"
            if self.laws.life.dry_run:
                continue
            yield from self._unserved(room, session, ours, _others(room))
            yield from _unserved_orders(session, ours)

    def _unserved(
        self, room: Opened, session: Session | None, ours: Counter[str], others: Counter[str]
    ) -> Iterator[str]:
        for key, rule, waiting in self._wanted(room, session):
            names = {target.name for target in rule.policy.targets}
            name = next((name for name in names if others[name] > 0), None)
            beside = name is not None and not any(one.strays(room.sid) for one in room.members.values())
            assignment = session.find(key) if session else None
            if ours[key] and beside and self._strict:
                yield f"for {key} an agent of ours beside another's"
            if ours[key]:
                continue
            left = in_room(room.sid, self.rooms.departures)
            done = assignment is not None and (
                _cancelled(session, assignment, waiting)
                or (assignment.finished_at > 0 and done_for(waiting, assignment, left, self.rooms.went))
            )
            if done:
                self.excused += 1
            elif name:
                others[name] -= 1
            else:
                yield f"no agent for {key}"

    def _wanted(self, room: Opened, session: Session | None) -> Iterator[tuple[str, Rule, list[Member]]]:
        """The assignments that the rules ask for now, with those who wait."""
        there = sorted(
            (one for one in room.members.values() if one.is_person and one.active), key=lambda one: one.joined_at
        )
        rules, shown = self.cluster.rules, room.shown(LOBBY)
        for rule in matching(rules, shown, None):
            yield rule.name, rule, there
        for rule in rules:
            matched = [one for one in there if rule in matching(rules, shown, one.shown())]
            if not matched:
                continue
            if rule.policy.per == "participant":
                yield from ((f"{rule.name}/{one.identity}", rule, [one]) for one in matched)
            elif rule.go_on or not self._taken(session, rule):
                yield rule.name, rule, [one for one in there if one.kind in rule.policy.kinds]
            elif session and not any(assignment.attended for assignment in session.assignments):
                self.left_alone += 1

    def _taken(self, session: Session | None, rule: Rule) -> bool:
        """Whether another rule's assignment is the one `per: room` assignment of the session."""
        going_on = {other.name for other in self.cluster.rules if other.go_on}
        single = (
            [
                assignment.rule
                for assignment in session.assignments
                if assignment.policy.per == "room" and assignment.rule not in going_on
            ]
            if session
            else []
        )
        return bool(single) and single != [rule.name]

    def _rooms(self) -> list[Opened]:
        return [self.rooms.open] if self.rooms.open else []

    def _session(self, sid: RoomSid) -> Session | None:
        life = next((one for one in self.cluster.lives() if one.key.sid == sid), None)
        return record.load(life.record, LOBBY, sid) if life and life.record else None


def _unserved_orders(session: Session | None, ours: Counter[str]) -> Iterator[str]:
    """What was ordered is there, unless it is done, or was cancelled, or its life of the room is over.

    Another's dispatch may be taken for one of ours whose answer was lost: then its agent is the one.
    """
    for one in session.assignments if session else ():
        if one.request and not (one.remnant or one.finished_at or one.serving or ours[one.key]):
            yield f"no agent for {one.key}, which was ordered"


def _cancelled(session: Session | None, assignment: Assignment, waiting: Iterable[Member]) -> bool:
    """Whether somebody cancelled it, and nobody has come since."""
    entries = session.timeline if session else ()
    told = any(one.said is Said.ASSIGNMENT_CANCELLED and one.assignment == assignment.key for one in entries)
    return told and all(one.joined_at <= assignment.finished_at for one in waiting)


def _ours(room: Opened) -> Counter[str]:
    """How many agents of ours there are for each assignment, of those asked for in this life of the room."""
    here = [one for one in room.members.values() if one.active and not one.strays(room.sid)]
    return Counter(one.made.assignment for one in here if one.made and one.made.ours)


def _others(room: Opened) -> Counter[str]:
    """How many agents of a name nobody here has asked for, or an app: they may serve."""
    here = [one for one in room.members.values() if one.active and one.made]
    return Counter(one.agent for one in here if not one.ours or one.strays(room.sid))
