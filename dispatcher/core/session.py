"""A session: one life of one room, as much of it as must survive between two steps.

Stored are attempts and facts; an assignment's state is derived from them (`Assignment.state`). Functions take a frozen
session and give the next. Instants are epoch ms of the ledger's clock ("our clock"), unless said to be LiveKit's.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.departures import Attendee, Departed, Note
from dispatcher.core.errors import DispatcherError
from dispatcher.core.facts import Ms, RoomSid
from dispatcher.core.rules import Policy, Target
from dispatcher.core.timeline import Entry, Patience, Verdict

ATTEMPTS_MAX: Final = 8
CROWD: Final = 100  # participants: a look at so many takes some 3 ms of ours, and as much of LiveKit's
ASSIGNMENTS_MAX: Final = 32
TIMELINE_MAX: Final = 64

_ORDERED: Final = "request:"


class NotInSession(DispatcherError, LookupError):
    """A session has no assignment, or an assignment no attempt, of this name: a defect of whoever asks for it."""


class State(StrEnum):
    """Where an assignment stands, for people."""

    WAITING = "waiting"
    IDLE = "idle"
    REQUESTED = "requested"
    SERVED = "served"
    STARVED = "starved"
    PAUSED = "paused"
    FINISHED = "finished"


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One CreateDispatch, or one launch, made or found and adopted. Open while `verdict` is None."""

    number: int
    target: Target
    started_at: Ms  # asked, or first seen
    dispatch: str = ""  # the id of the dispatch, or of the launch; "" while it is not known
    ours: bool = True
    listed: bool = False  # the last look listed the dispatch; of a launch: it has not been stopped
    identities: tuple[str, ...] = ()  # of its jobs, or of what is launched: what ties an agent to it
    agent_sid: str = ""  # SID of its agent: present in the last look, or (open and `gone`) the one that is missed
    last_agent_sid: str = ""  # SID of the latest agent it had
    announced: bool = False  # that its agent serves
    belated: bool = False  # asked for in an earlier session; no job ties its agent to it, and it serves nobody
    reopened: bool = False  # it had ended, and its agent came after all
    done: str = ""  # what its agent says of being done, in the last look
    agent_seen_at: Ms = 0  # its agent was first seen
    agent_missed_at: Ms = 0  # its agent was first missed
    verdict: Verdict | None = None
    retract_at: Ms = 0  # 0: not to be retracted
    retracts: int = 0
    crowded: bool = False  # many agents were asked for at the same time
    lifeless: bool = False  # its target has shown no sign of life since it began, anywhere
    queued: bool = False  # the last look showed its job in LiveKit's queue: no worker has taken it
    probe: bool = False  # it was made to find out whether its target is back
    patience: Patience | None = None  # None: nothing is known of its target; it is silent after `confirm_within`

    @property
    def open(self) -> bool:
        return self.verdict is None

    @property
    def launched(self) -> bool:
        """It asked a launcher: LiveKit lists nothing of it but the agent, whose identity is known from the start."""
        return bool(self.target.launcher)

    @property
    def serving(self) -> bool:
        """Its agent is in the room: the only proof that there is one."""
        return self.open and bool(self.agent_sid) and not self.agent_missed_at

    @property
    def shows(self) -> bool:
        """Something of it was still there in the last look."""
        return bool(self.agent_sid) or self.listed


class Assignment(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One agent wanted in one session. The policy is its rule's when it was born."""

    rule: str
    policy: Policy
    request: str = ""  # the id of the order that made it; "": a rule did
    ordered_at: Ms = 0  # when it was heard of
    sealed: str = ""  # its metadata
    trace: str = ""  # W3C's traceparent of what caused it; "": nothing is traced
    identity: str = ""  # `per: participant`: for whom
    attempts: tuple[Attempt, ...] = ()  # by number, ATTEMPTS_MAX newest
    last_number: int = 0  # the highest attempt number so far
    target_index: int = 0
    tries: int = 0  # failed attempts at this target
    rounds: int = 0  # times all targets were used up since it was last served
    unsent: int = 0  # requests in a row that never reached LiveKit
    crashes: int = 0
    goodbyes: int = 0  # leavings in a row, each soon after the agent came, without a word of being done
    due_at: Ms = 0  # the next Create, not before
    slot_at: Ms = 0  # its turn, when creates are paced
    finished_at: Ms = 0  # LiveKit's clock; who joined after it reopens the assignment
    cancelled: bool = False  # by an order, and no look has said yet for whom it is done
    left_at: Ms = 0  # LiveKit's clock; the agent left without a word, and who joined after it does not wait
    attended: bool = False  # somebody of its kinds was there in the last look
    alone_since: Ms = 0  # whom it is for has left, and something of it is under way; of `per: participant` alone
    remnant: bool = False  # nobody wants it: it only holds what is to be taken back
    paused: bool = False  # it waited when it was last asked, and every target was paused
    served_by_name: bool = False  # an agent of a target's name, not tied to any attempt, was there in the last look
    waiting_since: Ms = 0  # somebody is there, and no agent
    first_waiting_at: Ms = 0  # LiveKit's clock; the earliest joining of somebody who waits for the first agent
    invited_at: Ms = 0  # whose INVITE came then, where that one calls in; 0: not known
    announced: bool = False  # the time to its first agent has been told

    @property
    def key(self) -> str:
        """Its name inside the session: the rule's, or rule/identity; an order's has its id."""
        if self.request:
            return request_key(self.request)
        return f"{self.rule}/{self.identity}" if self.identity else self.rule

    @property
    def spread_by(self) -> str:
        """What its backoffs are spread by. Never the identity: the instants that come of it are recorded and shown."""
        return f"{self.rule}/{self.first_waiting_at}" if self.identity and not self.request else self.key

    @property
    def open(self) -> tuple[Attempt, ...]:
        return tuple([attempt for attempt in self.attempts if attempt.verdict is None])

    @property
    def serving(self) -> Attempt | None:
        return next((attempt for attempt in self.attempts if attempt.serving), None)

    def attempt(self, number: int) -> Attempt:
        """The attempt of this number. Raises NotInSession."""
        found = self.find(number)
        if found is None:
            raise NotInSession(f"{self.key}#{number}")
        return found

    def find(self, number: int) -> Attempt | None:
        """The attempt of this number, where there may be none: it was never made, or the record has forgotten it."""
        return next((attempt for attempt in self.attempts if attempt.number == number), None)

    def abandoned(self, now: Ms) -> bool:
        """Whom it is for has left, and has not come back in time."""
        return 0 < self.alone_since <= now - timing.ABANDONED_MS

    @property
    def needs_attempt(self) -> bool:
        """Somebody waits, and nothing is under way."""
        there = self.attended or self.policy.trigger == "room_started"
        return there and not (self.open or self.finished_at or self.served_by_name or self.remnant)

    @property
    def waits(self) -> bool:
        """Somebody waits, and the next Create is only a matter of time."""
        return self.needs_attempt and not self.paused and bool(self.next_target.name) and not self._may_still_be_served

    @property
    def _may_still_be_served(self) -> bool:
        """A given-up dispatch waits in LiveKit's queue: before another is made it is deleted."""
        return any(one.queued and one.listed and one.retract_at and not one.open for one in self.attempts)

    @property
    def unnamed(self) -> bool:
        """Somebody waits, and the rule's expressions name no agent: the next look may show one."""
        return self.needs_attempt and not self.next_target.name

    @property
    def next_target(self) -> Target:
        return self.policy.targets[self.target_index % len(self.policy.targets)]

    @property
    def ahead(self) -> tuple[Target, ...]:
        """The targets behind the one that is next."""
        return self.policy.targets[self.target_index % len(self.policy.targets) + 1 :]

    @property
    def state(self) -> State:
        if self.serving or self.served_by_name:
            return State.SERVED
        if self.finished_at or self.remnant:
            return State.FINISHED
        if self.paused and self.needs_attempt:
            return State.PAUSED
        if self.rounds and (self.attended or self.policy.trigger == "room_started"):
            return State.STARVED
        if self.open:
            return State.REQUESTED
        return State.WAITING if self.needs_attempt else State.IDLE


def request_key(id_: str) -> str:
    """The key of the assignment that an order of this id made. No rule's name has a colon."""
    return f"{_ORDERED}{id_}"


def is_ordered(key: str) -> bool:
    """Whether an order made the assignment of this key."""
    return key.startswith(_ORDERED)


class Session(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One life of one room."""

    room: str
    sid: RoomSid
    assignments: tuple[Assignment, ...] = ()
    notes: tuple[Note, ...] = ()
    departed: tuple[Departed, ...] = ()  # the DEPARTED_MAX latest of the last moments
    here: tuple[Attendee, ...] = ()  # the HERE_MAX latest people of the last look, while they share an agent
    finished: bool = False  # by room_finished: final; by two looks: until somebody says that it lives
    final: bool = False
    stale: bool = False  # something happened that a look will show
    looked_at: Ms = 0  # the last look began
    slot_at: Ms = 0  # its turn to be looked at, where calls are limited
    present: int = 0  # participants that the last look showed
    missed_at: Ms = 0  # LiveKit said that the room is closing, or a look did not list it
    unseen_sid: str = ""  # whom (or the room that) a webhook named, and no look has shown yet
    unseen_since: Ms = 0
    undecided_since: Ms = 0  # somebody is there whom no rule wants yet: looks at facts that may change began
    undecided_at: Ms = 0  # the newest of them was heard of, or first seen
    published_at: Ms = 0  # the first look that showed a publisher
    unattributed: tuple[str, ...] = ()  # SIDs of agents that no attempt accounts for
    unattributed_since: Ms = 0  # the newest of them was first seen
    strange_since: Ms = 0  # there were such agents, one or another, and it has not been told since
    unrequested_announced: bool = False  # that has been told
    unwelcome: tuple[str, ...] = ()  # SIDs of those of them without a name, where the configuration sends them away
    unwelcome_at: Ms = 0  # the next of them is told to go, not before
    unwelcome_tries: int = 0  # that failed in a row
    named_since: Ms = 0  # there were such agents of a target's name, one or another
    overflow_announced: bool = False  # that has been told
    timeline: tuple[Entry, ...] = ()
    entries_total: int = 0  # entries ever told

    @property
    def apart(self) -> Ms:
        """How far apart the looks are that events cause: the more people there are, the dearer each look is."""
        return min(timing.APART_MAX_MS, self.present // CROWD * timing.APART_MS)

    def assignment(self, key: str) -> Assignment:
        """The assignment of this key. Raises NotInSession."""
        found = self.find(key)
        if found is None:
            raise NotInSession(key)
        return found

    def find(self, key: str) -> Assignment | None:
        """The assignment of this key, where there may be none."""
        for assignment in self.assignments:
            if assignment.key == key:
                return assignment
        return None


def with_assignment(session: Session, assignment: Assignment) -> Session:
    """The assignment replaces the one of its key, or is the newest."""
    key, olds = assignment.key, session.assignments
    for place, old in enumerate(olds):
        if old is assignment:
            return session
        if old.key == key:
            return replace(session, assignments=(*olds[:place], assignment, *olds[place + 1 :]))
    return replace(session, assignments=(*olds, assignment))


def with_attempt(assignment: Assignment, attempt: Attempt) -> Assignment:
    """The attempt replaces the one of its number, or is added; beyond ATTEMPTS_MAX a closed one goes."""
    kept = {one.number: one for one in assignment.attempts} | {attempt.number: attempt}
    attempts = [kept[number] for number in sorted(kept)]
    if len(attempts) > ATTEMPTS_MAX:
        closed = [one for one in attempts if not one.open]
        attempts.remove(min(closed or attempts, key=lambda one: (one.shows, one.number)))
    return replace(assignment, attempts=tuple(attempts), last_number=max(assignment.last_number, attempt.number))


def with_entry(session: Session, entry: Entry) -> Session:
    """The entry stands in the timeline; the oldest make room, but for the first, which say how it began."""
    timeline = (*session.timeline, entry)
    if len(timeline) > TIMELINE_MAX:
        first = TIMELINE_MAX // 4
        timeline = timeline[:first] + timeline[first + 1 :]
    return replace(session, timeline=timeline, entries_total=session.entries_total + 1)


def entries_since(session: Session, total: int) -> tuple[Entry, ...]:
    """The entries told since there were `total` of them; of very many at once, those that the timeline still has."""
    new = session.entries_total - total
    return session.timeline[-new:] if new > 0 else ()
