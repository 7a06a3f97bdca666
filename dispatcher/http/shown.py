"""Makes what the API shows of what the service knows: sessions, targets, workers and troubles."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import UNSET

from dispatcher.client import AgentPause, AgentProbe, AgentTarget, LastHour, ListedAssignment, ListedRoom, SplitStop
from dispatcher.core.facts import Ms
from dispatcher.core.hour import last_hour
from dispatcher.core.pauses import Paused
from dispatcher.core.probes import ProbeFacts
from dispatcher.core.session import Assignment, Attempt, Session
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.splits import Side
from dispatcher.core.targets import TargetFacts, circuit, usual
from dispatcher.core.timeline import Entry
from dispatcher.core.workers import Missing, Registered, Sighting
from dispatcher.explain import (
    WAITING,
    Known,
    diagnosis,
    likeliest,
    narrative,
    paused_by,
    probes_told,
    taken_out_by,
    trouble_told,
)
from dispatcher.http.live import RuleAnswers
from dispatcher.http.resources import (
    AskedWorker,
    PresentPerson,
    RuledPerson,
    SeenAgent,
    ToldAssignment,
    ToldAttempt,
    ToldEntry,
    ToldSession,
    ToldTrouble,
)
from dispatcher.ledger.sessions import KnownSession, waiting_since
from dispatcher.telemetry.health import Health
from dispatcher.telemetry.masks import Mask

PRESENT_MAX: Final = 24  # people of one room that are told, those who joined first


def asks_for_a_look(session: Session) -> bool:
    """Whether what LiveKit shows now would help to explain the session: somebody may lack an agent."""
    return not session.finished and (
        not session.assignments or any(one.state in WAITING for one in session.assignments)
    )


def asks_for_rules(session: Session) -> bool:
    """Whether the rules' own answers would help to explain the session: none matched, or one names no agent."""
    return not session.assignments or any(one.unnamed for one in session.assignments)


def people(judged: Sequence[RuleAnswers]) -> tuple[RuledPerson, ...]:
    """What the rules say of everybody in a room."""
    return tuple(RuledPerson(one.identity or None, one.kind or None, one.rules) for one in judged)


def troubles(health: Health, projects: Collection[str], *, several: bool) -> tuple[ToldTrouble, ...]:
    """What is wrong with the service itself, where it concerns these projects, of `several`; and what that says."""
    now = health.clock()
    return tuple(
        ToldTrouble(
            kind=one.kind,
            project=one.project or None,
            reason=one.reason or None,
            since=one.since or None,
            last_at=one.last_at or None,
            count=one.count,
            sentence=trouble_told(one, now, named=several),
        )
        for one in health.troubles([*projects])
    )


def target(
    deployment: str, facts: TargetFacts, stops: Iterable[tuple[str, Side]], probes: ProbeFacts | None, now: Ms
) -> AgentTarget:
    """A target of an agent's, as it stands; `stops`: the rules whose splits have taken it out."""
    return AgentTarget(
        deployment=deployment,
        circuit=circuit(facts, now),
        open_since=facts.opened_at or None,
        last_seen_at=facts.seen_at or None,
        usual_ms=usual(facts, now) or None,
        silent=len(facts.silences),
        stopped=tuple(
            SplitStop(rule, side.stopped_at, side.figures, taken_out_by(rule, side, now)) for rule, side in stops
        ),
        probe=_probe(probes, now) if probes else None,
    )


def _probe(facts: ProbeFacts, now: Ms) -> AgentProbe:
    last = facts.last
    return AgentProbe(
        result=last.result,
        at=last.at,
        took_ms=facts.took,
        last_served_at=facts.served_at or None,
        failures=facts.failures,
        failing_since=facts.failing_since or None,
        room=last.room or None,
        why=last.why or None,
        sentence=probes_told(facts, now),
    )


def hour(targets: Iterable[TargetFacts], now: Ms) -> LastHour:
    """What came of asking for an agent with these targets."""
    told = last_hour([facts.hour for facts in targets], now)
    return LastHour(told.served, told.failed, told.p50, told.p95, told.minutes)


def paused(one: Paused, now: Ms) -> AgentPause:
    """Who has paused an agent, until when and why."""
    by = one.pause
    return AgentPause(
        by=by.by if by else None,
        since=by.at if by else None,
        until=(by.until or None) if by else None,
        reason=(by.reason or None) if by else None,
        configured=one.configured,
        sentence=paused_by(one, now),
    )


def masked(session: Session, mask: Mask) -> Session:
    """The session as it may be shown: with marks for people, where identities are masked."""
    return mask.session(session)


def summary(life: KnownSession, session: Session) -> ListedRoom:
    """A session in the list of rooms."""
    return ListedRoom(
        project=life.key.project,
        room=session.room,
        sid=life.key.sid,
        finished=session.finished,
        since=life.born,
        waiting_since=waiting_since(session) or None,
        ended_at=life.ended_at or None,
        assignments=tuple(
            ListedAssignment(one.key, one.state, one.next_target.name, likeliest(session, one) or None)
            for one in session.assignments
        ),
    )


def detail(life: KnownSession, session: Session, known: Known, judged: Sequence[RuleAnswers] | None) -> ToldSession:
    """All of a session."""
    return ToldSession(
        project=life.key.project,
        room=session.room,
        sid=life.key.sid,
        finished=session.finished,
        assignments=tuple(_assignment(one) for one in session.assignments),
        due_at=life.due_at,
        timeline=tuple(_entry(one) for one in session.timeline),
        people=None if judged is None else people(judged),
        present=None if known.look is None else present(known.look),
        diagnosis=tuple(diagnosis(session, known)),
        narrative=tuple(narrative(session, known.now)),
    )


def present(look: RoomSnapshot) -> tuple[PresentPerson, ...]:
    """Who is in a room, those who joined first before the others."""
    there = sorted(look.participants, key=lambda one: one.joined_at)[:PRESENT_MAX]
    return tuple(PresentPerson(one.identity, one.kind, one.agent_name or None, one.joined_at or None) for one in there)


def sighting(one: Sighting) -> SeenAgent:
    """Of which agent workers are seen."""
    return SeenAgent(one.agent, len(one.workers), one.since, one.last_seen_at)


def worker(address: str, answer: Registered | Missing) -> AskedWorker:
    """What a worker says of itself, or why none is known there."""
    if isinstance(answer, Missing):
        return AskedWorker(address=address, missing=answer)
    return AskedWorker(
        address=address,
        agent=answer.agent,
        type=answer.type,
        active_jobs=answer.jobs,
        load=answer.load,
        sdk_version=answer.sdk,
        ready=answer.ready,
    )


def _entry(one: Entry) -> ToldEntry:
    reason = one.patience.because.value if one.patience else one.reason
    return ToldEntry(
        at=one.at,
        event=one.said,
        assignment=one.assignment,
        number=one.number,
        agent=one.agent,
        verdict=one.verdict or UNSET,
        part=one.part or UNSET,
        reason=reason or UNSET,
        by=one.by or UNSET,
        duration_ms=UNSET if one.took is None else one.took,
        since_invite_ms=UNSET if one.since_invite is None else one.since_invite,
        usual_ms=(one.patience.usual or UNSET) if one.patience else UNSET,
    )


def _assignment(assignment: Assignment) -> ToldAssignment:
    return ToldAssignment(
        assignment=assignment.key,
        state=assignment.state,
        next_attempt_at=assignment.due_at or None,
        rounds=assignment.rounds,
        attempts=tuple(_attempt(attempt) for attempt in assignment.attempts),
    )


def _attempt(attempt: Attempt) -> ToldAttempt:
    return ToldAttempt(
        number=attempt.number,
        agent=attempt.target.name,
        deployment=attempt.target.deployment,
        dispatch=attempt.dispatch,
        ours=attempt.ours,
        started_at=attempt.started_at,
        verdict=attempt.verdict or "open",
    )
