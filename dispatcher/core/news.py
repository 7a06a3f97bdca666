"""What new entries of a session's timeline tell of its targets, for everybody (`core.targets`)."""

from collections.abc import Iterable, Iterator
from zlib import crc32

from dispatcher.core.facts import is_probe
from dispatcher.core.hour import AttemptOutcome
from dispatcher.core.session import Attempt, Session
from dispatcher.core.snapshot import JobCondition
from dispatcher.core.targets import News, Probed, Seen, Silence, Silent, Standing
from dispatcher.core.timeline import FAILURES, JOB_TAKEN, Entry, Part, Said, Verdict


def news(session: Session, entries: Iterable[Entry]) -> Iterator[tuple[str, News]]:
    """By target, as entries name it. `session` is the one that the entries were saved with."""
    if is_probe(session.room):
        yield from _signs_of_life(session, entries)
        return
    for entry in entries:
        for one in (_told(session, entry), _outcome(session, entry)):
            if one is not None:
                yield entry.agent, one


def _signs_of_life(session: Session, entries: Iterable[Entry]) -> Iterator[tuple[str, News]]:
    """What probes tell: that the target is there, nothing of how soon its agents come, and no silence."""
    for entry in entries:
        if isinstance(told := _told(session, entry), Seen):
            yield entry.agent, Seen(told.at)


def _outcome(session: Session, entry: Entry) -> AttemptOutcome | None:
    """What came of an attempt, by its first end: one that was given up and came after all is counted as both."""
    served = entry.said is Said.AGENT_JOINED
    failed = entry.said is Said.ATTEMPT_ENDED and entry.verdict in FAILURES and not entry.again
    if not served and not failed:
        return None
    which = crc32(f"{session.sid} {entry.assignment} {entry.number} {entry.said}".encode())
    return AttemptOutcome(entry.at, entry.at << 10 | which & 1023, failed, entry.took if served else None)


def _told(session: Session, entry: Entry) -> Standing | None:
    attempt = _attempt(session, entry)
    match entry.said, entry.verdict:
        case Said.DISPATCH_REQUESTED, _ if attempt and attempt.probe:
            return Probed(entry.at)
        case Said.AGENT_JOINED, _:
            return Seen(entry.at, _took(attempt))
        case Said.ATTEMPT_RETRACTED, _ if entry.part is Part.AGENT:  # it was given up, and its agent came after all
            return Seen(entry.at, _took(attempt))
        case Said.ATTEMPT_ENDED, Verdict.SILENT if attempt and attempt.dispatch and not entry.again:  # LiveKit had it
            began_at = entry.at - (entry.took or 0)
            return Silent(Silence(began_at=began_at, ended_at=entry.at, room=session.sid))
        case Said.ATTEMPT_ENDED, _ if attempt and attempt.launched:  # there are no workers to be seen
            return None
        case Said.ATTEMPT_ENDED, Verdict.REJECTED if entry.reason == JobCondition.NO_CAPACITY:
            return None
        case Said.ATTEMPT_ENDED, verdict if verdict in JOB_TAKEN:
            return Seen(entry.at)
        case _:
            return None


def _took(attempt: Attempt | None) -> int | None:
    """How long after we asked its agent was seen; None: it was there when the attempt was found, or is unknown."""
    if attempt is None or not attempt.ours or attempt.agent_seen_at <= attempt.started_at:
        return None
    return attempt.agent_seen_at - attempt.started_at


def _attempt(session: Session, entry: Entry) -> Attempt | None:
    """The attempt that an entry is about; None: it has none, or had to make room since."""
    assignment = session.find(entry.assignment)
    return assignment.find(entry.number) if assignment else None
