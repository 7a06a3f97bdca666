"""A session: one life of one room, as much of it as must survive between two steps.

Stored are attempts and facts; the state a want is in is derived from them (`Want.state`). Everything here is a frozen
value: functions take a session and give the next one. Instants are epoch ms of the ledger's clock ("our clock"),
except where a name or comment says LiveKit's.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.core.events import Ms, RoomSid
from dispatcher.core.rules import Policy, Target

ATTEMPTS_MAX: Final = 8
NOTES_MAX: Final = 16
WANTS_MAX: Final = 32
TIMELINE_MAX: Final = 64


class Verdict(StrEnum):
    """How an attempt ended. An open attempt has none."""

    SILENT = "silent"  # no job in time
    NO_SHOW = "no_show"  # a job, and no participant in time
    REJECTED = "rejected"  # a worker said no
    REFUSED = "refused"  # LiveKit refused the request
    UNSENT = "unsent"  # the request never reached LiveKit
    VANISHED = "vanished"  # its dispatch was deleted by somebody before the agent came
    FAILED = "failed"  # the agent left within `min_stay`
    CRASHED = "crashed"  # the agent was lost later
    FINISHED = "finished"  # the agent left of its own will
    REMOVED = "removed"  # somebody removed the agent
    ENDED = "ended"  # the agent left, and nobody was there any more
    SURPLUS = "surplus"  # another attempt serves the want


class State(StrEnum):
    """Where a want stands, for people."""

    WAITING = "waiting"
    UNATTENDED = "unattended"
    ASKED = "asked"
    SERVED = "served"
    STARVED = "starved"
    PAUSED = "paused"
    DONE = "done"


class Said(StrEnum):
    """What an entry of the timeline tells; the same words are the actions in the log."""

    WANTED = "wanted"
    ASKED = "asked"
    ADOPTED = "adopted"
    BOUND = "bound"
    ELSEWHERE = "asked_elsewhere"  # by a process of this instance that has another ledger
    SERVED = "served"
    CLOSED = "closed"
    REOPENED = "reopened"
    STARVED = "starved"
    RENEWED = "renewed"
    PAUSED = "paused"
    RESUMED = "resumed"
    PASSED_OVER = "passed_over"
    RETRACTED = "retracted"
    UNKNOWN = "outcome_unknown"
    UNNAMED = "agent_unnamed"  # an expression of the rule named no agent
    IGNORED = "deployment_ignored"  # by a server that does not know deployments
    UNASKED = "unasked_agent"
    OVERFLOW = "too_many_wants"
    MISSED = "room_not_listed"
    OVER = "over"
    WOULD_ASK = "would_ask"
    RULE_GONE = "rule_gone"  # a reload took away the rule of a want that is asked for: it goes on, without metadata
    CUT_OFF = "rounds_exceeded"  # a drive found no end: a defect


class Part(StrEnum):
    """What of an attempt is taken back."""

    AGENT = "agent"
    DISPATCH = "dispatch"


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a session's timeline. Never metadata, attributes or a token (law 11)."""

    at: Ms
    said: Said
    want: str = ""
    number: int = 0
    agent: str = ""
    verdict: Verdict | None = None  # CLOSED: as what the attempt ended
    part: Part | None = None  # RETRACTED: what was asked to go
    reason: str = ""  # LiveKit's or the expression's, in lower case; RETRACTED: why it could not be asked
    took: Ms | None = None


class Note(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an agent left: the one thing about a departure that no look can show."""

    sid: str
    identity: str
    reason: str
    heard: Ms
    stayed: Ms  # by LiveKit's clock; up to 1 s short, as webhooks carry whole seconds
    left: Ms  # LiveKit's clock, the end of the second that the webhook bears


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One CreateDispatch, made or found and adopted. Open while `verdict` is None."""

    number: int
    target: Target
    since: Ms  # asked, or first seen
    dispatch: str = ""  # the dispatch's id; "" while it is not known
    ours: bool = True
    listed: bool = False  # the last look listed the dispatch
    identities: tuple[str, ...] = ()  # of its jobs: what ties an agent to it
    agent: str = ""  # SID of its agent: present in the last look, or (open and `gone`) the one that is missed
    last_agent: str = ""  # SID of the latest agent it had
    told: bool = False  # that its agent serves
    came: Ms = 0  # its agent was first seen
    gone: Ms = 0  # its agent was first missed
    verdict: Verdict | None = None
    retract_at: Ms = 0  # 0: not to be retracted
    retracts: int = 0

    @property
    def open(self) -> bool:
        return self.verdict is None

    @property
    def serving(self) -> bool:
        """Its agent is in the room: the only proof that there is one."""
        return self.open and bool(self.agent) and not self.gone

    @property
    def shows(self) -> bool:
        """Something of it was still there in the last look."""
        return bool(self.agent) or self.listed


class Want(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One agent wanted in one session. The policy is its rule's when it was born."""

    rule: str
    policy: Policy
    identity: str = ""  # `per: participant`: for whom
    attempts: tuple[Attempt, ...] = ()  # by number, ATTEMPTS_MAX newest
    last: int = 0  # the highest attempt number so far
    target: int = 0
    tries: int = 0  # failed attempts at this target
    rounds: int = 0  # times all targets were used up since it was last served
    unsent: int = 0  # requests in a row that never reached LiveKit
    crashes: int = 0
    due: Ms = 0  # the next Create, not before
    slot: Ms = 0  # its turn, when creates are paced
    done: Ms = 0  # LiveKit's clock; who joined after it reopens the want
    attended: bool = False  # somebody of its kinds was there in the last look
    remnant: bool = False  # nobody wants it: it only holds what is to be taken back
    held: bool = False  # it waited when it was last asked, and every target was paused
    by_name: bool = False  # an agent of a target's name, not tied to any attempt, was there in the last look
    waiting_since: Ms = 0  # somebody is there, and no agent
    hoped: Ms = 0  # LiveKit's clock; the earliest joining of somebody who waits for the first agent
    welcomed: bool = False  # the time to its first agent has been told

    @property
    def key(self) -> str:
        """Its name inside the session: the rule's, or rule/identity."""
        return f"{self.rule}/{self.identity}" if self.identity else self.rule

    @property
    def spread_by(self) -> str:
        """What its backoffs are spread by. Never the identity: the instants that come of it are recorded and shown."""
        return f"{self.rule}/{self.hoped}" if self.identity else self.rule

    @property
    def open(self) -> tuple[Attempt, ...]:
        return tuple(attempt for attempt in self.attempts if attempt.open)

    @property
    def serving(self) -> Attempt | None:
        return next((attempt for attempt in self.attempts if attempt.serving), None)

    @property
    def wanting(self) -> bool:
        """Somebody waits, and nothing is under way."""
        there = self.attended or self.policy.on == "room"
        return there and not (self.open or self.done or self.by_name or self.remnant)

    @property
    def waits(self) -> bool:
        """Somebody waits, and the next Create is only a matter of time."""
        return self.wanting and not self.held and bool(self.next_target.agent)

    @property
    def unnamed(self) -> bool:
        """Somebody waits, and the rule's expressions name no agent: the next look may show one."""
        return self.wanting and not self.next_target.agent

    @property
    def next_target(self) -> Target:
        return self.policy.targets[self.target % len(self.policy.targets)]

    @property
    def state(self) -> State:
        if self.serving or self.by_name:
            return State.SERVED
        if self.done or self.remnant:
            return State.DONE
        if self.held and self.wanting:
            return State.PAUSED
        if self.rounds and (self.attended or self.policy.on == "room"):
            return State.STARVED
        if self.open:
            return State.ASKED
        return State.WAITING if self.wanting else State.UNATTENDED


class Session(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One life of one room."""

    room: str
    sid: RoomSid
    wants: tuple[Want, ...] = ()
    notes: tuple[Note, ...] = ()
    over: bool = False  # by room_finished: final; by two looks: until somebody says that it lives
    final: bool = False
    stale: bool = False  # something happened that a look will show
    seen_at: Ms = 0  # the last look began
    slot: Ms = 0  # its turn to be looked at, where calls are limited
    missed_at: Ms = 0  # LiveKit said that the room is closing, or a look did not list it
    published_at: Ms = 0  # the first look that showed a publisher
    untied: tuple[str, ...] = ()  # SIDs of agents that no attempt accounts for
    untied_since: Ms = 0  # the newest of them was first seen
    strange_since: Ms = 0  # there were such agents, one or another, and it has not been told since
    unasked: bool = False  # that has been told
    named_since: Ms = 0  # there were such agents of a target's name, one or another
    overflow: bool = False  # that has been told
    timeline: tuple[Entry, ...] = ()
    told: int = 0  # entries ever told

    def want(self, key: str) -> Want | None:
        return next((want for want in self.wants if want.key == key), None)


def with_want(session: Session, want: Want) -> Session:
    """The want replaces the one of its key, or is the newest."""
    if session.want(want.key) is None:
        return replace(session, wants=(*session.wants, want))
    return replace(session, wants=tuple(want if old.key == want.key else old for old in session.wants))


def with_attempt(want: Want, attempt: Attempt) -> Want:
    """The attempt replaces the one of its number, or is added; beyond ATTEMPTS_MAX a closed one goes."""
    kept = {one.number: one for one in want.attempts} | {attempt.number: attempt}
    attempts = [kept[number] for number in sorted(kept)]
    if len(attempts) > ATTEMPTS_MAX:
        closed = [one for one in attempts if not one.open]
        attempts.remove(min(closed or attempts, key=lambda one: (one.shows, one.number)))
    return replace(want, attempts=tuple(attempts), last=max(want.last, attempt.number))


def tell(session: Session, entry: Entry) -> Session:
    """The entry stands in the timeline; the oldest make room, but for the first, which say how it began."""
    timeline = (*session.timeline, entry)
    if len(timeline) > TIMELINE_MAX:
        first = TIMELINE_MAX // 4
        timeline = timeline[:first] + timeline[first + 1 :]
    return replace(session, timeline=timeline, told=session.told + 1)


def news(session: Session, told: int) -> tuple[Entry, ...]:
    """The entries told since there were `told` of them; of very many at once, those that the timeline still has."""
    new = session.told - told
    return session.timeline[-new:] if new > 0 else ()
