"""Whose agent is it? Dispatches are bound to attempts, and agents tied to them through the identities of their jobs.

Our own dispatches are known by their id, and where no id is known (a lost reply, a crash, an emptied ledger) by the
signed tag that they carry (`core.tags`). What a launcher has started for us is known by its identity, and bears such a
tag itself. Every other one is foreign, be it a token's, SIP's or an app's, whatever its tag says. It is adopted by the
oldest assignment it suits. Servers before 1.13.2 drop tags: there the dispatch of a lost reply looks like a foreign
one, and is taken for one, in the place of its attempt.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from dispatcher.core import timing
from dispatcher.core.assignments import subject_of, taken, with_targets
from dispatcher.core.audience import Audience
from dispatcher.core.facts import Ms, Participant
from dispatcher.core.jobs import queued
from dispatcher.core.orders import ordered, request
from dispatcher.core.rules import Rule, aimed, named
from dispatcher.core.session import (
    ASSIGNMENTS_MAX,
    Assignment,
    Attempt,
    Session,
    with_assignment,
    with_attempt,
    with_entry,
)
from dispatcher.core.snapshot import Dispatch, RoomSnapshot
from dispatcher.core.tags import Tag
from dispatcher.core.timeline import Entry, Said, Verdict

ATTEMPT_IDENTITIES: Final = 16  # a publisher worker has a job for each publisher
REMNANTS_MAX: Final = ASSIGNMENTS_MAX // 2  # assignments beyond which none is made for a remnant: people come first


def recall(
    session: Session,
    snapshot: RoomSnapshot,
    rules: Sequence[Rule],
    audience: Audience,
    tags: Mapping[str, Tag],
    now: Ms,
) -> Session:
    """An assignment that the ledger has lost is there again, by its dispatch's tag, while its agent is needed.

    First those whose agents are here: another one may have the room's place by then.
    """
    here = {one.known_as for one in snapshot.participants if one.active and one.is_agent}
    at_work = {one.id for one in snapshot.dispatches if not here.isdisjoint(job.known_as for job in one.jobs)}
    for dispatch in sorted(snapshot.dispatches, key=lambda dispatch: (dispatch.id not in at_work, dispatch.id)):
        found = tags.get(dispatch.id)
        if found is None or session.find(found.key):
            continue
        if (order := ordered(found.key, dispatch.target)) is not None:
            if dispatch.id in at_work or not any(job.ended for job in dispatch.jobs):  # else it was done, or cancelled
                session = request(session, order, by="", now=now)
            continue
        name, _, identity = found.key.partition("/")
        rule = named(rules, name)
        if rule is None or not any(one.kind in rule.policy.kinds for one in audience.people):
            continue
        wanted = name in audience.wanted and (not identity or identity in audience.by_identity)
        wanted = wanted and not taken(session, rules, rule)
        if (dispatch.id in at_work or wanted) and len(session.assignments) < ASSIGNMENTS_MAX:
            assignment = Assignment(rule=name, identity=identity, policy=rule.policy)
            found_now = aimed(rule, audience.room, subject_of(assignment, audience))
            session = with_assignment(session, with_targets(assignment, found_now))
            session = with_entry(
                session, Entry(at=now, said=Said.ASSIGNMENT_CREATED, assignment=found.key, agent=str(dispatch.target))
            )
    return session


def bind(session: Session, snapshot: RoomSnapshot, rules: Sequence[Rule], tags: Mapping[str, Tag], now: Ms) -> Session:
    """Every listed dispatch that concerns an assignment belongs to one of its attempts; what is new is adopted."""
    listed = {dispatch.id: dispatch for dispatch in snapshot.dispatches}
    for assignment in session.assignments:
        attempts = tuple(
            attempt if attempt.launched else _listed(attempt, listed.get(attempt.dispatch))
            for attempt in assignment.attempts
        )
        session = with_assignment(session, replace(assignment, attempts=attempts))
    unknown = _unknown(session, snapshot)
    new = sorted(unknown, key=lambda dispatch: dispatch.id)  # LiveKit lists them in any order
    ours = [(tags[one.id], one) for one in new if one.id in tags]
    for found, dispatch in sorted(ours, key=lambda pair: pair[0].number):  # so that the latest are the ones remembered
        session = _adopt_ours(session, dispatch, found, rules, now)
    for dispatch in new:
        if dispatch.id not in tags and not dispatch.launcher:  # who says that he was launched, and cannot show it
            session = _adopt_foreign(session, dispatch, now)
    return session


def _unknown(session: Session, snapshot: RoomSnapshot) -> list[Dispatch]:
    """The listed dispatches of named agents, and the launches, that are no attempt's."""
    attempts = [attempt for assignment in session.assignments for attempt in assignment.attempts]
    known = {attempt.dispatch for attempt in attempts}
    launched = {identity for attempt in attempts if attempt.launched for identity in attempt.identities}
    return [
        dispatch
        for dispatch in snapshot.dispatches
        if dispatch.id not in known
        and dispatch.target.name
        and not (dispatch.launcher and any(job.known_as in launched for job in dispatch.jobs))
    ]


def _listed(attempt: Attempt, dispatch: Dispatch | None) -> Attempt:
    if dispatch is None:
        return replace(attempt, listed=False)
    found = dict.fromkeys(job.known_as for job in dispatch.jobs if job.identity)
    fresh = [identity for identity in found if identity not in attempt.identities]
    identities = (*attempt.identities, *fresh)[-ATTEMPT_IDENTITIES:]
    return replace(attempt, listed=True, identities=identities, queued=queued(dispatch.jobs))


def _adopt_ours(session: Session, dispatch: Dispatch, found: Tag, rules: Sequence[Rule], now: Ms) -> Session:
    rule = named(rules, found.key.partition("/")[0])
    assignment = session.find(found.key) or _remnant(session, found.key, rule)
    if assignment is None:  # of a rule that is gone it is as good as foreign; else its assignment had to make room
        return _adopt_foreign(session, dispatch, now) if rule is None else session
    asked = assignment.find(found.number)
    twin = asked if not dispatch.launcher else None  # a launch of another life, or key, is an attempt of its own
    if twin is not None and not twin.dispatch:
        return _found(session, assignment, replace(twin, dispatch=dispatch.id), dispatch, now)
    if twin is not None:  # one number, two dispatches: we made the other one (law 2)
        elsewhere = Entry(
            at=now,
            said=Said.DISPATCH_DUPLICATED,
            assignment=assignment.key,
            number=found.number,
            agent=str(dispatch.target),
        )
        session = with_entry(session, elsewhere)
    number = found.number if asked is None else assignment.last_number + 1
    attempt = _attempt(dispatch, number, now)
    back = now + timing.LINGER_MS if assignment.policy.extra_agents == "remove" else 0
    if assignment.remnant:  # made for an assignment that nobody has any more
        attempt = replace(attempt, verdict=Verdict.SURPLUS, retract_at=back)
    elif number < assignment.last_number:  # given up so long ago that the record forgot it
        return with_assignment(
            session, with_attempt(assignment, replace(attempt, verdict=Verdict.SILENT, retract_at=back))
        )
    return _adopt(session, assignment, attempt)


def _remnant(session: Session, key: str, rule: Rule | None) -> Assignment | None:
    """What holds a dispatch of ours without assignment here (a revived room, say); None: there are too many."""
    if rule is None or len(session.assignments) >= REMNANTS_MAX:
        return None
    return Assignment(rule=rule.name, identity=key.partition("/")[2], policy=rule.policy, remnant=True)


def _adopt_foreign(session: Session, dispatch: Dispatch, now: Ms) -> Session:
    for assignment in session.assignments:
        if dispatch.target not in assignment.policy.targets or assignment.finished_at or assignment.remnant:
            continue
        if not (assignment.open or assignment.request):  # who orders an agent wants one more than there is
            return _adopt(session, assignment, replace(_attempt(dispatch, assignment.last_number + 1, now), ours=False))
        lost = next((one for one in assignment.open if not one.dispatch and one.target == dispatch.target), None)
        if lost is not None and not dispatch.tag:  # ours, where the server drops tags; elsewhere not: never taken back
            return _found(session, assignment, replace(lost, dispatch=dispatch.id, ours=False), dispatch, now)
    return session


def _found(session: Session, assignment: Assignment, attempt: Attempt, dispatch: Dispatch, now: Ms) -> Session:
    session = with_assignment(session, with_attempt(assignment, _listed(attempt, dispatch)))
    entry = Entry(
        at=now, said=Said.DISPATCH_FOUND, assignment=assignment.key, number=attempt.number, agent=str(attempt.target)
    )
    return with_entry(session, entry)


def _attempt(dispatch: Dispatch, number: int, now: Ms) -> Attempt:
    made = Attempt(number=number, target=dispatch.target, started_at=now, dispatch=dispatch.id)
    found = _listed(made, dispatch)
    return replace(found, dispatch="", listed=False) if made.launched else found


def _adopt(session: Session, assignment: Assignment, attempt: Attempt) -> Session:
    session = with_assignment(session, with_attempt(assignment, attempt))
    whose = "ours" if attempt.ours else "foreign"
    entry = Entry(
        at=attempt.started_at,
        said=Said.DISPATCH_ADOPTED,
        assignment=assignment.key,
        number=attempt.number,
        agent=str(attempt.target),
        reason=whose,
    )
    return with_entry(session, entry)


class Attributed(NamedTuple):
    """A session whose attempts know their agents, and the agents that no attempt accounts for."""

    session: Session
    unattributed: tuple[Participant, ...]


def attribute(session: Session, agents: Sequence[Participant], now: Ms) -> Attributed:
    """Each attempt knows whether its agent is here.

    Open attempts claim first, the latest first: fixed identities recur.
    """
    everyone = [(assignment.key, attempt) for assignment in session.assignments for attempt in assignment.attempts]
    free = {agent.sid: agent for agent in sorted(agents, key=lambda agent: agent.joined_at)}
    for key, attempt in sorted(
        everyone, key=lambda pair: (pair[1].open, pair[1].started_at, pair[1].number), reverse=True
    ):
        assignment = session.assignment(key)
        here = [
            agent
            for agent in free.values()
            if agent.known_as in attempt.identities and _claims(assignment, attempt, agent)
        ]
        if (
            assignment.policy.worker_type == "room"
        ):  # one dispatch, one agent: the server's own retries can make a second
            here = sorted(here, key=lambda agent: agent.sid != attempt.agent_sid)[:1]
        for agent in here:
            del free[agent.sid]
        attributed = _attributed(attempt, here, now)
        if attributed is not attempt:
            session = with_assignment(session, with_attempt(assignment, attributed))
    return Attributed(session, tuple(free.values()))


def _claims(assignment: Assignment, attempt: Attempt, agent: Participant) -> bool:
    """Whether an agent of its identity may be this attempt's.

    Not when it had one, that is gone, and another attempt waits whose jobs are not listed yet: identities may recur.
    A belated one is a connection; whoever bears its identity after it is somebody else.
    """
    if attempt.belated:
        return attempt.last_agent_sid == agent.sid
    if attempt.open or not attempt.last_agent_sid or attempt.last_agent_sid == agent.sid:
        return True
    return not any(not one.identities for one in assignment.open)


def _attributed(attempt: Attempt, here: Iterable[Participant], now: Ms) -> Attempt:
    mine = list(here)
    if mine:
        agent = next((one for one in mine if one.sid == attempt.agent_sid), mine[0])
        return replace(
            attempt,
            agent_sid=agent.sid,
            last_agent_sid=agent.sid,
            done=agent.done,
            agent_seen_at=attempt.agent_seen_at or now,
            agent_missed_at=0,
        )
    if attempt.open and attempt.agent_sid:
        return replace(attempt, agent_missed_at=attempt.agent_missed_at or now)
    return replace(attempt, agent_sid="") if attempt.agent_sid else attempt
