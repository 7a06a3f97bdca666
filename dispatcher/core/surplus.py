"""Agents that are too many, late, or nobody's: which of them serves, which is removed, and which is only reported."""

from collections.abc import Collection, Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.closing import ON_PURPOSE, close, retract_at
from dispatcher.core.facts import Ms, Participant
from dispatcher.core.session import Attempt, Session, with_assignment, with_attempt, with_entry
from dispatcher.core.text import AGENT_MAX, brief
from dispatcher.core.timeline import Entry, Said, Verdict

UNATTRIBUTED_MAX: Final = 8  # unattributed agents that are remembered

_GONE_FOR_GOOD: Final = ON_PURPOSE | {Verdict.UNSENT, Verdict.REFUSED, Verdict.CANCELLED}


def serve_by_name(session: Session, unattributed: Sequence[Participant], now: Ms) -> Session:
    """An unattributed agent of the right name serves until its job is listed: one assignment, a while, never judged.

    For `join_within`: an agent without a job is waited for as long as a job without an agent. A token may bear any
    name, and who holds one may come again and again, so the span is the session's, not an agent's: it begins anew only
    when no such agent is there. One without the grant that every job's token has serves nobody.
    """
    names = {target.agent for assignment in session.assignments for target in assignment.policy.targets if target.agent}
    free = [agent.agent_name for agent in unattributed if agent.granted and agent.agent_name in names]
    if not (free or session.named_since):  # no agent serves by its name, and none did
        return session
    since = (session.named_since or now) if free else 0
    session = replace(session, named_since=since)
    for assignment in sorted(
        session.assignments, key=lambda assignment: (not assignment.open, not assignment.attended)
    ):
        targets = [attempt.target for attempt in assignment.open] or assignment.policy.targets
        name = next((target.agent for target in targets if target.agent in free), None)
        may_serve = assignment.serving is None and not (assignment.finished_at or assignment.remnant)
        may_serve = may_serve and bool(assignment.open or not assignment.request)
        by_name = name is not None and may_serve and now < since + assignment.policy.join_within
        if by_name and name is not None:
            free.remove(name)
        if by_name != assignment.served_by_name:
            session = with_assignment(session, replace(assignment, served_by_name=by_name))
    return session


def watch_unattributed(session: Session, unattributed: Sequence[Participant], now: Ms) -> Session:
    """Watch agents that no attempt accounts for; tell once of those that were here for the last of UNATTRIBUTED_MS.

    Each that is new is looked for anew; one that comes again and again under new SIDs is told all the same.
    """
    if not unattributed:
        return replace(session, unattributed=(), unattributed_since=0, strange_since=0, unrequested_announced=False)
    sids = tuple(agent.sid for agent in unattributed[:UNATTRIBUTED_MAX])
    fresh = set(sids) - set(session.unattributed)
    announced = session.unrequested_announced and not fresh
    since = now if fresh else session.unattributed_since
    strange = now if session.unrequested_announced and fresh else session.strange_since or now
    session = replace(
        session, unattributed=sids, unattributed_since=since, strange_since=strange, unrequested_announced=announced
    )
    if announced or now < strange + timing.UNATTRIBUTED_MS[-1]:
        return session
    names = sorted({brief(agent.agent_name, AGENT_MAX) for agent in unattributed[:UNATTRIBUTED_MAX]})
    entry = Entry(at=now, said=Said.AGENT_UNREQUESTED, agent=brief(", ".join(names), 2 * AGENT_MAX))
    return with_entry(replace(session, unrequested_announced=True), entry)


def reopen(session: Session, key: str, joined: dict[str, Ms], now: Ms) -> Session:
    """A late agent of a given-up attempt serves after all, when nobody else does; a foreign one always."""
    assignment = session.assignment(key)
    if assignment.finished_at or assignment.remnant or assignment.abandoned(now):
        return session
    late = [one for one in assignment.attempts if one.agent_sid and not one.open and _may_serve(one)]
    for attempt in sorted(late, key=lambda one: (one.ours, joined.get(one.agent_sid, 0))):
        if attempt.ours and assignment.serving is not None:
            break
        again = replace(attempt, verdict=None, reopened=True, retract_at=0, agent_seen_at=attempt.agent_seen_at or now)
        assignment = replace(with_attempt(assignment, again), served_by_name=False)
        session = with_entry(
            session,
            Entry(at=now, said=Said.ATTEMPT_REOPENED, assignment=key, number=again.number, agent=str(again.target)),
        )
    return with_assignment(session, assignment)


def _may_serve(attempt: Attempt) -> bool:
    """Whether a closed attempt whose agent is here may count again: not one that left on purpose or is removed."""
    if attempt.verdict is Verdict.CANCELLED and not attempt.ours:  # it stayed (law 13), and is wanted again
        return True
    return attempt.verdict not in _GONE_FOR_GOOD and not attempt.retracts and not attempt.belated


def part_surplus(session: Session, key: str, joined: dict[str, Ms], now: Ms) -> Session:
    """One attempt serves: a foreign one, else the one whose agent joined first. Every other one of ours is surplus.

    The agent of a refused one is the wrong agent (a server ignored the deployment), whoever serves; and where the
    assignment is done, a late one has nobody to serve.
    """
    assignment = session.assignment(key)
    serving = [one for one in assignment.attempts if one.serving]
    spare = bool(serving) or assignment.remnant
    keep = min(serving, key=lambda one: (one.ours, joined.get(one.agent_sid, 0), one.number), default=None)
    for attempt in assignment.attempts:
        if attempt is keep or not attempt.ours:
            continue
        wrong = attempt.verdict is Verdict.REFUSED
        late = assignment.finished_at > 0 and attempt.verdict not in ON_PURPOSE
        if attempt.open and spare:
            session = close(session, key, attempt.number, Verdict.SURPLUS, now)
        elif not attempt.open and attempt.agent_sid and not attempt.retracts and (spare or wrong or late):
            because = Verdict.CANCELLED if attempt.verdict is Verdict.CANCELLED else Verdict.SURPLUS
            parted = replace(attempt, retract_at=now if wrong else retract_at(assignment, attempt, because, now))
            session = with_assignment(session, with_attempt(session.assignment(key), parted))
    return session


def part_abandoned(session: Session, key: str, now: Ms) -> Session:
    """The agent of somebody who has left is told to go: its place is for who comes. One of others' stays (law 13)."""
    assignment = session.assignment(key)
    ours = tuple(attempt for attempt in assignment.open if attempt.ours)
    alone = assignment.identity and not assignment.attended and (ours or assignment.alone_since)
    since = (assignment.alone_since or now) if alone else 0
    if since != assignment.alone_since:
        session = with_assignment(session, replace(assignment, alone_since=since))
    if not session.assignment(key).abandoned(now):
        return session
    for attempt in ours:
        session = close(session, key, attempt.number, Verdict.SURPLUS, now)
    return session


def spare_namesakes(session: Session, key: str, identities: Collection[str], now: Ms) -> Session:
    """A dispatch is not deleted while an agent of another attempt bears its identity: LiveKit would remove that one."""
    assignment = session.assignment(key)
    for attempt in assignment.attempts:
        namesake = (
            attempt.listed and not attempt.agent_sid and any(identity in identities for identity in attempt.identities)
        )
        if namesake and attempt.retract_at and attempt.retract_at <= now:
            assignment = with_attempt(assignment, replace(attempt, retract_at=now + timing.LINGER_MS))
    return with_assignment(session, assignment)
