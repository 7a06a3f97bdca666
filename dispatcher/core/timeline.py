"""What a session's timeline tells: the words for what happens to it, which are the log's actions, too."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from dispatcher.core.facts import Ms


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
    FINISHED = "finished"  # the agent left, and is known to be done
    LEFT = "left"  # the agent left of its own will, and had not said that it was done
    REMOVED = "removed"  # somebody removed the agent
    ENDED = "ended"  # the agent left, and nobody whom it had met was there any more
    SURPLUS = "surplus"  # another attempt serves the assignment
    CANCELLED = "cancelled"  # somebody ordered that the agent goes


# What a verdict says of its target; what it costs the assignment, `core.closing` knows.
FAILURES: Final = frozenset(  # nobody was served, or not for long
    {Verdict.SILENT, Verdict.NO_SHOW, Verdict.REJECTED, Verdict.REFUSED, Verdict.UNSENT, Verdict.VANISHED}
    | {Verdict.FAILED, Verdict.CRASHED}
)
BAD_FOR_A_SIDE: Final = frozenset(  # of a split: as a room's first, it counts against it
    {Verdict.SILENT, Verdict.NO_SHOW, Verdict.REJECTED, Verdict.REFUSED, Verdict.FAILED}
)
JOB_TAKEN: Final = frozenset({Verdict.NO_SHOW, Verdict.REJECTED, Verdict.FAILED})  # a worker had it: one is alive
WENT_WELL: Final = frozenset({Verdict.FINISHED, Verdict.LEFT, Verdict.ENDED})  # the agent went when it had served
AGENT_LEFT: Final = WENT_WELL | {Verdict.FAILED, Verdict.CRASHED, Verdict.REMOVED}  # it had been in the room


class Part(StrEnum):
    """What of an attempt is taken back."""

    AGENT = "agent"
    DISPATCH = "dispatch"
    LAUNCH = "launch"


class Because(StrEnum):
    """Why an attempt that shows no job counts as silent when it does."""

    LIMIT = "confirm_within"  # the rule's own span has passed
    FEW = "few_at_once"  # no job comes later while few agents are asked for
    FAST = "fast_target"  # the target's agents come reliably fast
    QUEUED = "queued"  # the rule's own span has passed, and the job still waits in LiveKit's queue
    CIRCUIT = "circuit_open"  # no agent of the target is seen in any room, and another target can be asked


class Patience(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How long an attempt without a job is waited for before it is silent, and why so long (`core.patience`)."""

    after: Ms
    because: Because
    usual: Ms = 0  # FAST: how soon the target's agents come

    @property
    def fields(self) -> dict[str, str | int]:
        """As the log and the API show it."""
        return {"reason": self.because.value} | ({"usual_ms": self.usual} if self.usual else {})


class Said(StrEnum):
    """What an entry of the timeline tells; the same words are the actions in the log."""

    ASSIGNMENT_CREATED = "assignment.created"
    AGENT_ORDERED = "agent.ordered"  # over the API; an assignment like a rule's
    ASSIGNMENT_CANCELLED = "assignment.cancelled"
    ASSIGNMENT_RETRIED = "assignment.retried"
    DISPATCH_REQUESTED = "dispatch.requested"
    DISPATCH_ADOPTED = "dispatch.adopted"
    DISPATCH_FOUND = "dispatch.found"
    DISPATCH_DUPLICATED = "dispatch.duplicated"  # by a process of this instance that has another ledger
    AGENT_JOINED = "agent.joined"
    ATTEMPT_ENDED = "attempt.ended"
    ATTEMPT_REOPENED = "attempt.reopened"
    ASSIGNMENT_STARVED = "assignment.starved"
    ASSIGNMENT_RENEWED = "assignment.renewed"
    ASSIGNMENT_PAUSED = "assignment.paused"
    ASSIGNMENT_RESUMED = "assignment.resumed"
    TARGET_SKIPPED = "target.skipped"
    TARGET_BYPASSED = "target.bypassed"  # its circuit is open
    ATTEMPT_RETRACTED = "attempt.retracted"
    DISPATCH_UNANSWERED = "dispatch.unanswered"
    AGENT_UNNAMED = "agent.unnamed"  # an expression of the rule named no agent
    DEPLOYMENT_IGNORED = "deployment.ignored"  # by a server that does not know deployments
    AGENT_UNREQUESTED = "agent.unrequested"
    AGENT_BELATED = "agent.belated"  # an earlier session of the room's name had asked for it
    AGENT_SENT_AWAY = "agent.sent_away"  # one without a name, as the configuration says
    ASSIGNMENT_OMITTED = "assignment.omitted"
    ROOM_FOUND = "room.found"  # by the sweep, and no webhook had told of it
    ROOM_UNLISTED = "room.unlisted"
    ROOM_FINISHED = "room.finished"
    DISPATCH_SIMULATED = "dispatch.simulated"
    RULE_REMOVED = "rule.removed"  # of an assignment that is asked for: it goes on, without metadata
    ROUNDS_EXCEEDED = "rounds.exceeded"  # a drive found no end: a defect
    PASSES_EXCEEDED = "passes.exceeded"  # the judging of one look found no end: a defect


ALARMS: Final = frozenset(  # what somebody should see to
    {Said.ASSIGNMENT_STARVED, Said.ASSIGNMENT_OMITTED, Said.AGENT_UNREQUESTED, Said.AGENT_UNNAMED}
    | {Said.DISPATCH_UNANSWERED, Said.DISPATCH_DUPLICATED, Said.DEPLOYMENT_IGNORED, Said.RULE_REMOVED}
)
DEFECTS: Final = frozenset({Said.ROUNDS_EXCEEDED, Said.PASSES_EXCEEDED})  # of ours


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line of a session's timeline. Never metadata, attributes or a token (law 11)."""

    at: Ms
    said: Said
    assignment: str = ""
    number: int = 0
    agent: str = ""
    verdict: Verdict | None = None  # ATTEMPT_ENDED: as what
    part: Part | None = None  # ATTEMPT_RETRACTED: what was asked to go
    reason: str = ""  # LiveKit's or the expression's, in lower case; ATTEMPT_RETRACTED: why it could not be asked
    done: str = ""  # CLOSED: how it is known that the agent was done, or was taken to be
    took: Ms | None = None
    since_invite: Ms | None = None  # AGENT_JOINED: since the INVITE of the call of whoever waited first
    patience: Patience | None = None  # ATTEMPT_ENDED, silent: why it was given up then
    by: str = ""  # who ordered it; "" of an order that was found by its tag, the ledger having lost it
    again: bool = False  # an attempt that had ended before has ended once more
