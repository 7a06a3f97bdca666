"""How long an attempt without a job is waited for: less than `confirm_within` where what is known of its target allows.

`confirm_within` is the bound, and what counts where many agents are asked for at once: then the server's places are
taken, and jobs come late (docs/livekit.md §0, §3). Else no job comes after 9 s, and a target whose agents come reliably
fast is known to be silent after 6. Asked before each look at an attempt that could be silent by then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.facts import Ms
from dispatcher.core.rules import Target
from dispatcher.core.session import Assignment, Attempt, Session, with_assignment, with_attempt
from dispatcher.core.targets import Outlook
from dispatcher.core.timeline import Because, Patience
from dispatcher.core.verdicts import confirming_since

CROWD: Final = 5  # assignments of a project that wait for an agent that was asked for


def looks(session: Session, assignment: Assignment, attempt: Attempt) -> Iterator[Ms]:
    """When an attempt is looked at whose agent was never here: it may be silent by then, or shows a job."""
    if attempt.agent_sid:
        return
    asked = confirming_since(session, assignment.policy, attempt)
    yield from ((asked or attempt.started_at) + after for after in timing.ATTEMPT_LOOKS_MS)
    if attempt.probe:
        yield attempt.started_at + timing.PROBE_MS
    if asked is not None:
        yield asked + assignment.policy.confirm_within


def concerned(session: Session, now: Ms) -> tuple[Target, ...]:
    """The targets to be asked about before a look: all of each assignment with an attempt that may be silent."""
    waiting = (assignment for assignment in session.assignments if any(_waited_for(assignment, now)))
    return tuple(dict.fromkeys(target for assignment in waiting for target in assignment.policy.targets))


def informed(session: Session, outlooks: Sequence[Outlook], requested: int, now: Ms) -> Session:
    """Each attempt that may be silent has its patience, by what is known of its target and of those behind it."""
    known = {one.target: one for one in outlooks}
    for assignment in session.assignments:
        for attempt in _waited_for(assignment, now):
            if attempt.target in known:
                one = _informed(assignment, attempt, known, crowded=requested >= CROWD)
                session = with_assignment(session, with_attempt(session.assignment(assignment.key), one))
    return session


def _waited_for(assignment: Assignment, now: Ms) -> Iterable[Attempt]:
    soonest = min(timing.PROBE_MS, assignment.policy.confirm_within)
    waiting = (one for one in assignment.open if not (one.agent_sid or one.launched))
    return (one for one in waiting if now >= one.started_at + soonest)


def _informed(assignment: Assignment, attempt: Attempt, known: Mapping[Target, Outlook], *, crowded: bool) -> Attempt:
    own = known[attempt.target]
    lifeless = bool(attempt.dispatch) and own.seen_at <= attempt.started_at  # else it may be LiveKit that is not there
    attempt = replace(attempt, crowded=attempt.crowded or crowded, lifeless=lifeless)
    another = any(target in known and not known[target].open for target in assignment.ahead)
    return replace(attempt, patience=patience(assignment, attempt, own, another=another))


def patience(assignment: Assignment, attempt: Attempt, outlook: Outlook, *, another: bool) -> Patience:
    """How long the attempt is waited for. `another`: a target ahead could be asked, whose circuit is closed.

    One whose Create nobody has answered may have been sent late: it is waited for as long as the rule says.
    """
    policy = assignment.policy
    if outlook.open and attempt.lifeless and another:
        found = Patience(after=timing.PROBE_MS, because=Because.CIRCUIT)
    elif attempt.queued:
        return Patience(after=policy.confirm_within, because=Because.QUEUED)
    elif attempt.crowded or not attempt.dispatch or not policy.confirm_early:
        found = Patience(after=policy.confirm_within, because=Because.LIMIT)
    elif outlook.usual:
        found = Patience(after=timing.SILENT_FAST_MS, because=Because.FAST, usual=outlook.usual)
    else:
        found = Patience(after=timing.SILENT_FEW_MS, because=Because.FEW)
    limit = Patience(after=policy.confirm_within, because=Because.LIMIT)
    return min(limit, found, key=lambda one: one.after)
