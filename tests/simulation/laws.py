"""What must hold of every life, watched while it is lived (the laws and bounds of docs/architecture.md)."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.drive import Terms
from dispatcher.core.effects import Save, Then
from dispatcher.core.facts import Ms
from dispatcher.core.observe import observe
from dispatcher.core.plan import Create, Rest, Retract, plan
from dispatcher.core.session import Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Said
from dispatcher.ledger import record
from dispatcher.ledger.interface import Handover, Lease
from tests.simulation.clock import Clock
from tests.simulation.life import Life
from tests.simulation.lookalikes import Lookalikes
from tests.simulation.members import Member
from tests.simulation.rooms import Rooms

ROUNDS: Final = 11  # with one assignment, and retracts that take 5 s; the reconciler allows 16
ROUNDS_MORE: Final = 14  # with two or three
RECORD_BYTES: Final = 16_000  # a handful of assignments; the timeline is half of it
LATER: Final[Ms] = 3_600_000
ENOUGH: Final = 20  # violations; a life that goes so wrong may have no end
_ABSENT: Final[Ms] = -1


class Violation(Struct, frozen=True):
    """Law 0 stands for the bounds."""

    law: int
    at: Ms
    what: str


class Hopeless(Exception):
    """The life need not be lived to its end."""


class Worst(Struct):
    """The extremes of a life."""

    rounds: int = 0
    rounds_more: int = 0  # with more than one assignment
    record: int = 0
    creates: int = 0
    looks: int = 0
    settled: Ms = 0  # after the calm, until everything is as it should be
    alone: Ms = 0  # an agent in a room that died as it was asked for, while all is heard
    double: Ms = 0  # two agents of ours for one assignment, while all is heard


class Laws:
    """Collects violations. A Create, a Retract, a look and a save are reported by those who make them."""

    def __init__(self, clock: Clock, rooms: Rooms, life: Life, began: Ms) -> None:
        self.clock = clock
        self.rooms = rooms
        self.life = life
        self.began = began
        self.changes = 0  # of the ledger
        self.violations: list[Violation] = []
        self.worst = Worst()
        self.died = False
        self.unsteady = False  # somebody stalls or stalled: what he sends he may send too late
        self._tokens: dict[str, str] = {}
        self._sent: set[tuple[str, str, int]] = set()
        self._looked: dict[str, Ms] = {}
        self._unknown: dict[str, Ms] = {}
        self._asking: set[str] = set()  # sessions
        self._shown: dict[str, set[str]] = {}  # SIDs, by session, of a look that has not been saved yet
        self._lookalikes = Lookalikes(rooms, life)

    def broken(self, law: int, what: str) -> None:
        """The law does not hold."""
        self.violations.append(Violation(law, self.clock.now - self.began, what))
        if len(self.violations) >= ENOUGH:
            raise Hopeless

    def rounds(self, session: Session, number: int) -> None:
        """So many plans of one claim until now."""
        if len(session.assignments) <= 1:
            self.worst.rounds = max(self.worst.rounds, number)
        else:
            self.worst.rounds_more = max(self.worst.rounds_more, number)
        more = 4 * max(0, len(session.assignments) - 3)
        if number > (ROUNDS if len(session.assignments) <= 1 else ROUNDS_MORE + more):
            self.broken(0, f"round {number} of one claim")
        if any(entry.said is Said.PASSES_EXCEEDED for entry in session.timeline):
            self.broken(0, "the judging of a look found no end")

    # The ledger

    def wiped(self) -> None:
        """Leases and attempt numbers begin anew."""
        self.changes += 1
        self._tokens.clear()
        self._sent.clear()
        self._shown.clear()
        self.rooms.known.clear()

    def stalls(self) -> None:
        """From now on a call may be made by one whose lease has run out."""
        self.unsteady = True

    def dies(self) -> None:
        """What was being asked has an unknown outcome."""
        self.died = True
        self._unknown |= dict.fromkeys(self._asking, self.clock.now)
        self._asking.clear()
        self._shown.clear()

    def handed(self, handover: Handover) -> None:
        """A lease was given."""
        self._tokens[handover.lease.key.sid] = handover.lease.token

    def saved(self, save: Save, made: bytes, asked_at: Ms) -> None:
        """Laws 7 and 8, and that a record says all there is."""
        self.changes += 1
        self.worst.record = max(self.worst.record, len(made))
        self.rooms.known |= self._shown.pop(save.session.sid, set())
        self._lookalikes.saved(save.session)
        for law, what in _unfit(save, made, asked_at, self.clock.now):
            self.broken(law, what)

    # LiveKit

    def looked(self, before: Session, snapshot: RoomSnapshot, terms: Terms, began: Ms) -> None:
        """Seeing the same twice changes nothing."""
        self.worst.looks += 1
        self._shown[before.sid] = {one.sid for one in snapshot.participants}
        self._looked[before.sid] = began if snapshot.room is not None else _ABSENT
        session = observe(before, snapshot, terms.rules, tags=terms.tags, now=began)
        again = observe(session, snapshot, terms.rules, tags=terms.tags, now=began)
        again = replace(again, timeline=session.timeline, entries_total=session.entries_total)
        if again != session:
            self.broken(2, f"the same look, seen again, changes {_difference(session, again)}")

    def answered(self, session: Session, lease: Lease, *, known: bool) -> None:
        """A Create has its outcome, or nobody knows it; for another who has taken over, it has long been unknown."""
        self._asking.discard(session.sid)
        if not known and self._tokens.get(session.sid) == lease.token:
            self._unknown[session.sid] = self.clock.now

    def asks(self, session: Session, step: Create, lease: Lease, terms: Terms) -> None:
        """Laws 2, 3, 4, 5 and 14, the attempt being saved."""
        self._asking.add(session.sid)
        self._holds(lease)
        if terms.dry_run:
            self.broken(5, f"{step} in a dry run")
        if step.target.name in terms.paused:
            self.broken(5, f"{step} of a paused agent")
        if self._tokens.get(session.sid) != lease.token:
            return  # the ledger was emptied since, or somebody stalled: see law 3
        self.worst.creates += 1
        assignment = session.assignment(step.assignment)
        if session.finished:
            self.broken(14, f"{step} into a session that is over")
        if [attempt.number for attempt in assignment.open] != [step.number]:
            self.broken(5, f"{step} while an attempt is open")
        self._looked_before(session, step)
        sent = (session.sid, step.assignment, step.number)
        if sent in self._sent:
            self.broken(2, f"{step} a second time")
        self._sent.add(sent)

    def _looked_before(self, session: Session, step: Create) -> None:
        looked = self._looked.get(session.sid, _ABSENT)
        if looked < self._unknown.get(session.sid, 0):
            self.broken(4, f"{step} without a look")
        if self.clock.now - looked > 4_000 and not self.unsteady:
            self.broken(4, f"{step} on a look {self.clock.now - looked} ms old")

    def retracts(self, session: Session, step: Retract, lease: Lease, terms: Terms) -> None:
        """Law 13: only what is ours, unless the configuration says so."""
        if terms.dry_run:
            self.broken(13, f"{step} in a dry run")
        self.rooms.retracting |= {step.agent_sid, step.dispatch}
        self._holds(lease)
        made = self.rooms.made.get(step.dispatch)
        if step.dispatch and (made is None or not made.ours):
            self.broken(13, f"{step} of a dispatch that is not ours")
        here = self.rooms.open.members.values() if self.rooms.open else ()
        member = next((one for one in here if one.sid == step.agent_sid), None)
        if not step.assignment:
            for wrong in _unfounded(session, step, member):
                self.broken(13, wrong)
            return
        if member is not None and not (member.ours or self._lookalikes.include(member)):
            self.broken(13, f"{step} of an agent that is not ours")
        if session.assignment(step.assignment).attempt(step.number).open:
            self.broken(13, f"{step} of an open attempt")

    def _holds(self, lease: Lease) -> None:
        if self.unsteady:
            return
        token = self._tokens.get(lease.key.sid)
        if token is not None and token != lease.token:
            self.broken(3, "another holds the lease")
        if token is not None and lease.until < self.clock.now:
            self.broken(3, f"the lease ran out {self.clock.now - lease.until} ms ago")


def _unfounded(session: Session, step: Retract, member: Member | None) -> Iterator[str]:
    """Sent away is only one without a name, under a rule that says so, whose own agent is there or asked for."""
    says = [one for one in session.assignments if one.policy.unrequested_agents == "remove"]
    if step.dispatch or not any(one.open or one.served_by_name for one in says):
        yield f"{step} that no rule asks for"
    if member is not None and (member.agent or not member.is_agent or member.made is not None):
        yield f"{step} of {member.identity}, which has a name, or is no agent"


def _unfit(save: Save, made: bytes, asked_at: Ms, now: Ms) -> Iterator[tuple[int, str]]:
    """What is wrong with a save, and by which law."""
    session, then = save.session, save.then
    if then is Then.DUE and not asked_at < save.due_at <= asked_at + LATER:
        yield 7, f"waits for what is in {save.due_at - asked_at} ms"
    if len(made) > RECORD_BYTES:
        yield 8, f"a record of {len(made)} bytes"
    if record.load(made, session.room, session.sid) != session:
        yield 8, "a record that reads as another session"
    if then is Then.REST and not isinstance(owed := plan(session, now + LATER, fresh=False), Rest):
        yield 7, f"at rest, and still owes {owed}"


def _difference(one: Session, other: Session) -> str:
    """The names of the fields that differ."""
    changed = {name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)}
    for was, became in zip(one.assignments, other.assignments, strict=False):
        changed |= {
            f"assignments.{name}" for name in was.__struct_fields__ if getattr(was, name) != getattr(became, name)
        }
    return ", ".join(sorted(changed - {"assignments"}))
