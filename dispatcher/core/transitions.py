"""How a session changes by what we do, as opposed to what we see: asking, and how the asking ended."""

from typing import Final, assert_never

from msgspec.structs import replace

from dispatcher.core import retries, timing
from dispatcher.core.closing import Why, close
from dispatcher.core.effects import Asked, Outcome
from dispatcher.core.facts import Ms
from dispatcher.core.nameless import sent_away
from dispatcher.core.plan import Create, Retract
from dispatcher.core.rules import Target
from dispatcher.core.session import Attempt, Session, with_assignment, with_attempt, with_entry
from dispatcher.core.timeline import Entry, Part, Said, Verdict

UNCERTAIN: Final = frozenset({Outcome.UNKNOWN, Outcome.ROOM_ABSENT})  # only a look can tell how things stand


def bypassed(session: Session, step: Create, instead: Target, now: Ms) -> Session:
    """The next attempt is at `instead`, a target ahead: the circuit of the one whose turn it was is open."""
    assignment = session.assignment(step.assignment)
    index = assignment.policy.targets.index(instead, assignment.target_index + 1)
    session = with_assignment(session, replace(assignment, target_index=index, tries=0, slot_at=0))
    return with_entry(
        session, Entry(at=now, said=Said.TARGET_BYPASSED, assignment=step.assignment, agent=str(step.target))
    )


def ask(
    session: Session, step: Create, now: Ms, *, identity: str = "", rule_gone: bool = False, probe: bool = False
) -> Session:
    """The attempt is open, without a dispatch yet. Saved before the call, it is what a successor finds (laws 5, 9).

    The `identity` is that of the agent which a launcher starts.
    """
    if rule_gone:
        session = with_entry(session, Entry(at=now, said=Said.RULE_REMOVED, assignment=step.assignment))
    assignment = session.assignment(step.assignment)
    waited = assignment.slot_at > 0
    attempt = Attempt(
        number=step.number,
        target=step.target,
        started_at=now,
        identities=(identity,) if identity else (),
        crowded=waited,
        probe=probe,
    )
    session = with_assignment(session, with_attempt(replace(assignment, slot_at=0), attempt))
    return with_entry(
        session,
        Entry(
            at=now, said=Said.DISPATCH_REQUESTED, assignment=step.assignment, number=step.number, agent=str(step.target)
        ),
    )


def asked(session: Session, step: Create, reply: Asked) -> Session:
    """The session after the outcome of its Create."""
    match reply.outcome:
        case Outcome.TAKEN if reply.deployment != step.target.deployment:
            return misdirected(session, step, reply.now, reply.dispatch)
        case Outcome.TAKEN:
            return answered(session, step, reply.dispatch)
        case Outcome.UNSENT:
            return unsent(session, step, reply.now, reply.reason, retry_in=reply.retry_in)
        case Outcome.DECLINED:
            return declined(session, step, reply.now, reply.reason)
        case Outcome.REFUSED:
            return refused(session, step, reply.now, reply.reason)
        case Outcome.ROOM_ABSENT:  # the room, not the request: look again, nobody is blamed
            return unsent(session, step, reply.now, reply.reason)
        case Outcome.UNAUTHORIZED:  # the project's trouble, whoever the agent
            return unsent(session, step, reply.now, reply.reason, retry_in=timing.TROUBLE_MS)
        case Outcome.UNKNOWN:
            return unanswered(session, step, reply.now, reply.reason)
        case _:
            assert_never(reply.outcome)


def answered(session: Session, step: Create, dispatch: str) -> Session:
    """LiveKit took the request: the attempt knows its dispatch. That proves nothing about an agent.

    Or a launcher did, and has started a process: that is to be ended when the attempt is.
    """
    assignment = session.assignment(step.assignment)
    attempt = assignment.attempt(step.number)
    known = replace(attempt, dispatch=dispatch, listed=attempt.listed or attempt.launched)
    return with_assignment(session, with_attempt(replace(assignment, unsent=0), known))


def unanswered(session: Session, step: Create, now: Ms, reason: str) -> Session:
    """Nobody knows whether LiveKit or a launcher took it: the attempt stays open; looks will bind it, or give it up."""
    entry = Entry(
        at=now,
        said=Said.DISPATCH_UNANSWERED,
        assignment=step.assignment,
        number=step.number,
        agent=str(step.target),
        reason=reason,
    )
    return with_entry(session, entry)


def declined(session: Session, step: Create, now: Ms, reason: str) -> Session:
    """Nobody can serve the request now: on to the next target, or again later."""
    return close(session, step.assignment, step.number, Verdict.REJECTED, now, Why(reason))


def refused(session: Session, step: Create, now: Ms, reason: str) -> Session:
    """LiveKit never will take this request: on to the next target."""
    return close(session, step.assignment, step.number, Verdict.REFUSED, now, Why(reason))


def misdirected(session: Session, step: Create, now: Ms, dispatch: str) -> Session:
    """LiveKit took the request but not its deployment, so that another agent comes: refused, and taken back.

    Its agent at once; the dispatch stays listed for LINGER_MS, as nothing else would say whose that agent is.
    """
    ignored = Entry(
        at=now, said=Said.DEPLOYMENT_IGNORED, assignment=step.assignment, number=step.number, agent=str(step.target)
    )
    session = refused(with_entry(answered(session, step, dispatch), ignored), step, now, Said.DEPLOYMENT_IGNORED)
    assignment = session.assignment(step.assignment)
    made = replace(assignment.attempt(step.number), listed=True, retract_at=now + timing.LINGER_MS)
    return with_assignment(session, with_attempt(assignment, made))


def unsent(session: Session, step: Create, now: Ms, reason: str, *, retry_in: Ms = 0) -> Session:
    """Nothing happened: the number is burnt, the try not counted; again after the backoff or `retry_in`, the longer."""
    session = close(session, step.assignment, step.number, Verdict.UNSENT, now, Why(reason))
    return postpone(session, step.assignment, now + retry_in)


def postpone(session: Session, key: str, until: Ms) -> Session:
    """The assignment's next Create waits until then at least."""
    assignment = session.assignment(key)
    return with_assignment(session, replace(assignment, due_at=max(assignment.due_at, until)))


def with_create_slot(session: Session, key: str, slot: Ms) -> Session:
    """The assignment's next Create has its turn at `slot`."""
    assignment = session.assignment(key)
    return with_assignment(session, replace(assignment, slot_at=slot, due_at=max(assignment.due_at, slot)))


def with_look_slot(session: Session, slot: Ms) -> Session:
    """The session is looked at next when its turn comes, at `slot`; 0: it has none to wait for."""
    return session if session.slot_at == slot else replace(session, slot_at=slot)


def retracted(session: Session, step: Retract, now: Ms, *, reason: str = "") -> Session:
    """What was to be taken back was asked to go. Whether it went the next look shows; if not, it is tried again.

    With a `reason` it could not be asked.
    """
    if not step.assignment:
        return sent_away(session, step.agent_sid, now, reason=reason)
    assignment = session.assignment(step.assignment)
    attempt = assignment.attempt(step.number)
    again = now + retries.backoff(assignment.spread_by, attempt.retracts + 1)
    listed = attempt.listed and not (step.dispatch and not reason)
    after = replace(attempt, retracts=attempt.retracts + 1, retract_at=again, listed=listed)
    entry = Entry(
        at=now,
        said=Said.ATTEMPT_RETRACTED,
        assignment=step.assignment,
        number=step.number,
        agent=str(attempt.target),
        part=Part.AGENT if step.agent_sid else Part.LAUNCH if attempt.launched else Part.DISPATCH,
        reason=reason,
    )
    return with_entry(with_assignment(session, with_attempt(assignment, after)), entry)


def would_ask(session: Session, step: Create, now: Ms) -> Session:
    """A dry run: what would have been asked for is told, and again in 30 s if it is still wanted then."""
    entry = Entry(
        at=now, said=Said.DISPATCH_SIMULATED, assignment=step.assignment, number=step.number, agent=str(step.target)
    )
    return postpone(with_entry(session, entry), step.assignment, now + timing.TROUBLE_MS)


def cut_off(session: Session, now: Ms) -> Session:
    """A drive found no end: it is told, and the session goes on in a new one."""
    return with_entry(session, Entry(at=now, said=Said.ROUNDS_EXCEEDED))
