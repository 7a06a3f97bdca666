"""The tables of verdicts and departures: when an attempt counts as ended, and as what. Asked on fresh facts only."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from dispatcher.core import jobs as job_states
from dispatcher.core import timing
from dispatcher.core.closing import Why
from dispatcher.core.departures import Note
from dispatcher.core.facts import Ms
from dispatcher.core.fold import ROOM_ENDING
from dispatcher.core.rules import Policy
from dispatcher.core.session import Assignment, Attempt, Session
from dispatcher.core.snapshot import Dispatch
from dispatcher.core.timeline import Verdict

SAID_DONE: Final = "said so"
JOB_SUCCEEDED: Final = "job succeeded"
LEFT_AGAIN: Final = "left again"
ON_FINISH: Final = "on_finish"
_NO_REASON: Final = frozenset({"", "UNKNOWN_REASON", "DUPLICATE_IDENTITY"})  # the last: it may be joining again


class Departure(Struct, frozen=True, kw_only=True):
    """An agent that has left: as what it counts, how long it had stayed, and from when until when (LiveKit's clock).

    Both instants are 0 where no webhook told of its leaving.
    """

    verdict: Verdict
    stayed: Ms
    joined_at: Ms
    left_at: Ms
    sid: str
    why: Why


def overdue(
    session: Session, assignment: Assignment, attempt: Attempt, dispatch: Dispatch | None, now: Ms
) -> Verdict | None:
    """The verdict on an open attempt whose agent was never here; None: it may still come."""
    if attempt.launched:
        return _overdue_launch(assignment.policy, attempt, now)
    if attempt.dispatch and dispatch is None:
        return Verdict.VANISHED if now >= attempt.started_at + timing.GRACE_MS else None
    jobs = dispatch.jobs if dispatch is not None else ()
    if (ended := job_states.ended(jobs)) is not None:
        return ended
    asked = confirming_since(session, assignment.policy, attempt)
    if asked is None:
        return None
    queued = job_states.queued(jobs)
    if jobs and not queued:
        return Verdict.NO_SHOW if now >= asked + assignment.policy.join_within else None
    known = attempt.patience if not queued else None
    silent_after = known.after if known else assignment.policy.confirm_within
    return Verdict.SILENT if now >= asked + silent_after and not assignment.served_by_name else None


def _overdue_launch(policy: Policy, attempt: Attempt, now: Ms) -> Verdict | None:
    """A launcher that has answered has started a process; of one that has not, nobody knows whether it has."""
    if attempt.dispatch:
        return Verdict.NO_SHOW if now >= attempt.started_at + policy.join_within else None
    return Verdict.SILENT if now >= attempt.started_at + policy.confirm_within else None


def confirming_since(session: Session, policy: Policy, attempt: Attempt) -> Ms | None:
    """From when `confirm_within` runs: a publisher worker has no job to take before somebody publishes."""
    if policy.worker_type == "room" or attempt.launched:
        return attempt.started_at
    return max(attempt.started_at, session.published_at) if session.published_at else None


def looks(session: Session, assignment: Assignment, attempt: Attempt) -> Iterator[Ms]:
    """When an open attempt is looked at, as a verdict may be due then; of a silent one `core.patience` says it."""
    if attempt.agent_missed_at:
        yield attempt.agent_missed_at + timing.GRACE_MS
        yield attempt.agent_missed_at + timing.ENDING_MS
    elif not attempt.agent_sid and (asked := confirming_since(session, assignment.policy, attempt)) is not None:
        yield asked + assignment.policy.join_within


def departure(
    session: Session, assignment: Assignment, attempt: Attempt, dispatch: Dispatch | None, now: Ms
) -> Departure | None:
    """As what the leaving of an open attempt's agent counts; None: it has not left, or that cannot be said yet."""
    note = _note(session, assignment, attempt)
    if attempt.serving or (note is None and not attempt.agent_missed_at):
        return None
    reason = note.reason if note else ""
    missed = now - (attempt.agent_missed_at or (note.received_at if note else now))
    patience = timing.ENDING_MS if reason in ROOM_ENDING else timing.GRACE_MS if reason in _NO_REASON else 0
    if missed < patience:
        return None
    stayed = note.stayed if note else attempt.agent_missed_at - attempt.agent_seen_at
    verdict, done = _counts_as(assignment, reason, stayed, _done(attempt, note, dispatch))
    return Departure(
        verdict=verdict,
        stayed=stayed,
        joined_at=note.joined_at if note else 0,
        left_at=note.left_at if note else 0,
        sid=attempt.agent_sid,
        why=Why(reason.lower(), done),
    )


def _done(attempt: Attempt, note: Note | None, dispatch: Dispatch | None) -> str:
    """How it is known that the agent was done; "": it is not."""
    said = note.done if note else attempt.done
    if said:
        return f"{SAID_DONE}: {said}"
    jobs = dispatch.jobs if dispatch is not None else ()
    mine = {note.identity} if note else set(attempt.identities)
    return JOB_SUCCEEDED if any(job.succeeded and job.known_as in mine for job in jobs) else ""


def _counts_as(assignment: Assignment, reason: str, stayed: Ms, done: str) -> tuple[Verdict, str]:
    """The verdict, and how it is known that the agent was done."""
    if not assignment.attended and assignment.policy.trigger == "participant_joined":
        return Verdict.ENDED, ""
    if done:
        return Verdict.FINISHED, done
    if stayed < assignment.policy.min_stay:
        return Verdict.FAILED, ""
    if reason == "PARTICIPANT_REMOVED":
        return Verdict.REMOVED, ""
    if reason != "CLIENT_INITIATED":
        return Verdict.CRASHED, ""
    if assignment.policy.on_finish == "done" or not assignment.attended:
        return Verdict.FINISHED, ON_FINISH
    if assignment.goodbyes and stayed < timing.STEADY_MS:
        return Verdict.FINISHED, LEFT_AGAIN
    return Verdict.LEFT, ""


def _note(session: Session, assignment: Assignment, attempt: Attempt) -> Note | None:
    """Why this attempt's agent left. One that came and went between two looks is known by its job's identity only.

    Identities may recur: what is told of another attempt's agent, or was heard before we asked, is not about this one.
    """
    if attempt.agent_sid:
        return next((note for note in session.notes if note.sid == attempt.agent_sid), None)
    others = {one.last_agent_sid for one in assignment.attempts if one.number != attempt.number}
    about = [note for note in session.notes if note.identity in attempt.identities and note.sid not in others]
    since = [note for note in about if not attempt.ours or _since(note, attempt)]
    return since[-1] if since else None


def _since(note: Note, attempt: Attempt) -> bool:
    """Whether it was heard after the attempt began; and of what was launched, had happened so.

    The identity of a launched agent is its attempt's: after the ledger was emptied an attempt has the same one again.
    """
    gone_before = bool(attempt.target.launcher) and note.left_at < attempt.started_at
    return note.received_at >= attempt.started_at and not gone_before
