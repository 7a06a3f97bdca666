"""What the operator's API shows: sessions, targets, workers and troubles as JSON. No metadata, and nothing secret."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from dispatcher.core.facts import Ms
from dispatcher.core.pauses import Paused
from dispatcher.core.session import Assignment, Attempt, Session
from dispatcher.core.targets import TargetFacts, circuit, usual
from dispatcher.core.workers import Missing, Registered, Sighting
from dispatcher.explain import WAITING, Known, UnknownRoom, absence, diagnosis, narrative, paused_by, trouble_told
from dispatcher.http.live import RuleAnswers
from dispatcher.ledger.sessions import KnownSession
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.masks import Mask

JSON = dict[str, object]


def asks_for_a_look(session: Session) -> bool:
    """Whether what LiveKit shows now would help to explain the session: somebody may lack an agent."""
    return not session.finished and (
        not session.assignments or any(one.state in WAITING for one in session.assignments)
    )


def asks_for_rules(session: Session) -> bool:
    """Whether the rules' own answers would help to explain the session: none matched, or one names no agent."""
    return not session.assignments or any(one.unnamed for one in session.assignments)


def absent(one: UnknownRoom, people: Sequence[RuleAnswers]) -> JSON:
    """What is said of a room name without a session."""
    return {"diagnosis": absence(one), "resembling": list(one.resembling), "people": _people(people)}


def _people(judged: Sequence[RuleAnswers]) -> list[JSON]:
    return [{"identity": one.identity or None, "kind": one.kind or None, "rules": list(one.rules)} for one in judged]


def troubles(health: Health, projects: Collection[str], *, several: bool) -> JSON:
    """What is wrong with the service itself, where it concerns these projects, of `several`; and what that says."""
    now, found = health.clock(), health.troubles([*projects])
    every = [
        {
            "kind": one.kind,
            "project": one.project or None,
            "reason": one.reason or None,
            "since": one.since or None,
            "last_at": one.last_at or None,
            "count": one.count,
            "sentence": trouble_told(one, now, named=several),
        }
        for one in found
    ]
    return {"troubles": every}


def target(deployment: str, facts: TargetFacts, now: Ms) -> JSON:
    """A target of an agent's, as it stands."""
    return {
        "deployment": deployment,
        "circuit": circuit(facts, now),
        "open_since": facts.opened_at or None,
        "last_seen_at": facts.seen_at or None,
        "usual_ms": usual(facts, now) or None,
        "silent": len(facts.silences),
    }


def paused(one: Paused, now: Ms) -> JSON:
    """Who has paused an agent, until when and why."""
    by = one.pause
    return {
        "by": by.by if by else None,
        "since": by.at if by else None,
        "until": (by.until or None) if by else None,
        "reason": (by.reason or None) if by else None,
        "configured": one.configured,
        "sentence": paused_by(one, now),
    }


def masked(session: Session, mask: Mask) -> Session:
    """The session as it may be shown: with marks for people, where identities are masked."""
    return replace(
        session,
        room=mask.numbers(session.room),
        assignments=tuple(replace(one, identity=mask.identity(one.identity)) for one in session.assignments),
        timeline=tuple(replace(entry, assignment=mask.assignment(entry.assignment)) for entry in session.timeline),
    )


def summary(life: KnownSession, session: Session) -> JSON:
    """A session in the list of rooms."""
    assignments = [
        {"assignment": assignment.key, "state": assignment.state, "agent": assignment.next_target.agent}
        for assignment in session.assignments
    ]
    return {
        "project": life.key.project,
        "room": session.room,
        "sid": life.key.sid,
        "finished": session.finished,
        "assignments": assignments,
    }


def detail(life: KnownSession, session: Session, known: Known, people: Sequence[RuleAnswers] | None) -> JSON:
    """All of a session: its assignments, what happened, and what that means."""
    timeline = [
        {
            "at": entry.at,
            "event": entry.said,
            "assignment": entry.assignment,
            "number": entry.number,
            "agent": entry.agent,
        }
        | {name: value for name in ("verdict", "part", "reason") if (value := getattr(entry, name))}
        | ({"duration_ms": entry.took} if entry.took is not None else {})
        | (entry.patience.fields if entry.patience else {})
        for entry in session.timeline
    ]
    assignments = [_assignment(assignment) for assignment in session.assignments]
    told: JSON = {"people": None if people is None else _people(people)}
    told |= {"diagnosis": diagnosis(session, known), "narrative": list(narrative(session, known.now))}
    return {**summary(life, session), "assignments": assignments, "due_at": life.due_at, "timeline": timeline, **told}


def sighting(one: Sighting) -> JSON:
    """Of which agent workers are seen."""
    return {"agent": one.agent, "workers": len(one.workers), "since": one.since, "last_seen_at": one.last_seen_at}


def worker(address: str, answer: Registered | Missing) -> JSON:
    """What a worker says of itself, or why none is known there."""
    if isinstance(answer, Missing):
        return {"address": address, "missing": answer}
    return {
        "address": address,
        "agent": answer.agent,
        "type": answer.type,
        "active_jobs": answer.jobs,
        "load": answer.load,
        "sdk_version": answer.sdk,
        "ready": answer.ready,
    }


def _assignment(assignment: Assignment) -> JSON:
    attempts = [_attempt(attempt) for attempt in assignment.attempts]
    return {
        "assignment": assignment.key,
        "state": assignment.state,
        "next_attempt_at": assignment.due_at or None,
        "rounds": assignment.rounds,
        "attempts": attempts,
    }


def _attempt(attempt: Attempt) -> JSON:
    return {
        "number": attempt.number,
        "agent": attempt.target.agent,
        "deployment": attempt.target.deployment,
        "dispatch": attempt.dispatch,
        "ours": attempt.ours,
        "started_at": attempt.started_at,
        "verdict": attempt.verdict or "open",
    }
