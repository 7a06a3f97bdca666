"""What a dispatch's jobs say of an attempt whose agent was never here: a worker's no, a queue, an end before the start.

Self-hosted servers list a worker's yes and its no, and nothing else (docs/livekit.md §2.3). LiveKit Cloud has a queue,
and says why a job ended.
"""

from collections.abc import Sequence
from typing import Final

from dispatcher.core.snapshot import Job, JobCondition
from dispatcher.core.timeline import Verdict

_ENDS: Final = {  # the first that applies to any of the jobs; a room that closes is nobody's fault, and ends by itself
    JobCondition.ROOM_CLOSED: None,
    JobCondition.FAILED: Verdict.NO_SHOW,
    JobCondition.NO_CAPACITY: Verdict.REJECTED,
    None: Verdict.REJECTED,
    JobCondition.DISPATCH_DELETED: Verdict.VANISHED,
    JobCondition.CANCELLED: Verdict.VANISHED,
}


def queued(jobs: Sequence[Job]) -> bool:
    """No worker has taken the dispatch, and one may still do so."""
    return any(job.outcome is JobCondition.QUEUED for job in jobs) and all(
        job.ended or job.outcome is JobCondition.QUEUED for job in jobs
    )


def ended(jobs: Sequence[Job]) -> Verdict | None:
    """The verdict on an attempt all of whose jobs have ended without an agent; None: there is none, or not yet."""
    if not jobs or not all(job.ended and (job.outcome or not job.identity) for job in jobs):
        return None
    outcomes = {job.outcome for job in jobs}
    return next((verdict for outcome, verdict in _ENDS.items() if outcome in outcomes), None)


def reason(jobs: Sequence[Job]) -> str:
    """Why they ended, as the server says it; "": it says nothing."""
    last = next((job for job in reversed(jobs) if job.ended and job.outcome), None)
    if last is None or last.outcome is None:
        return ""
    return f"{last.outcome}: {last.error}" if last.error else last.outcome.value
