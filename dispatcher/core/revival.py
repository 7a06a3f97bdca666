"""Agents that were asked for in a session that ended before they came: LiveKit opens the room again for them.

The dispatch died with the room and is listed nowhere, so nothing that LiveKit shows says whose the agent is. The
session before says it: a moment ago, as it ended, an agent of this name might still come of an attempt of ours. That
one was open; or it had been given up, and its dispatch was listed yet, for just that reason (`core.closing`).
"""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import Final, NamedTuple

from dispatcher.core import timing
from dispatcher.core.attribution import REMNANTS_MAX
from dispatcher.core.facts import Ms, Participant
from dispatcher.core.session import Assignment, Attempt, Session, with_assignment, with_attempt, with_entry
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.timeline import Entry, Said, Verdict

_MAY_STILL_COME: Final = frozenset(  # the agent of an attempt that ended so, while its dispatch is listed
    {Verdict.SILENT, Verdict.NO_SHOW, Verdict.REFUSED, Verdict.SURPLUS, Verdict.CANCELLED}
)


class CutShort(NamedTuple):
    """An attempt whose agent had not come as its session ended, and might still come."""

    assignment: Assignment
    attempt: Attempt


def left_alone(session: Session, snapshot: RoomSnapshot, now: Ms) -> tuple[Participant, ...]:
    """The agents of the look, if nobody else is in the room, and nothing in it explains any of them; else none.

    For REVIVED_MS from when they were first seen. LiveKit lists no dispatch of their names, this session waits for no
    agent of them, no rule wants one for the room itself, and each has the grant that every job's token has.
    """
    agents = snapshot.participants
    names = {one.agent_name for one in agents}
    asked_for = {dispatch.agent for dispatch in snapshot.dispatches} | {
        attempt.target.agent for assignment in session.assignments for attempt in assignment.open
    }
    wanted = any(one.policy.trigger == "room_started" and not one.remnant for one in session.assignments)
    new = now < session.unattributed_since + timing.REVIVED_MS
    nobody_else = {one.sid for one in agents} == set(session.unattributed)
    named = all(one.granted and one.agent_name for one in agents)
    unexplained = named and not wanted and names.isdisjoint(asked_for)
    return agents if new and nobody_else and unexplained else ()


def inherit(session: Session, alone: Sequence[Participant], earlier: Sequence[Session], now: Ms) -> Session:
    """The session has an ended attempt for each of these agents that an earlier session had asked for.

    The look is judged again then, and takes the agent for surplus: it is taken back, or stays where the rule says so.
    """
    by_name = sorted(alone, key=lambda one: (one.agent_name, one.joined_at))
    for name, agents in groupby(by_name, key=lambda one: one.agent_name):
        for agent, cut in _matched(list(agents), _cut_short(session, earlier, name, now)):
            session = _inherited(session, agent, cut, now)
    return session


def _cut_short(session: Session, earlier: Sequence[Session], name: str, now: Ms) -> list[CutShort]:
    """The attempts of which ended sessions may have left an agent of this name, the newest first.

    None, where one of them is not ours: nobody could tell whose agent has come.
    """
    came = {_asked(one) for life in (session, *earlier) for one in _attempts(life) if one.attempt.last_agent_sid}
    came |= {(key, started_at, "") for key, started_at, _ in came}  # whose id was learnt after its session had ended
    here = (one for one in _attempts(session) if not one.attempt.belated)  # found by its tag, perhaps
    brought = {_numbered(one) for one in here if one.attempt.last_agent_sid}
    ended = [life for life in earlier if life.finished and now < _ended_at(life) + timing.REVIVED_MS]
    attempts = [one for one in chain.from_iterable(map(_attempts, ended)) if one.attempt.target.agent == name]
    left = [one for one in attempts if may_come(one.attempt) and _asked(one) not in came]
    left = [one for one in left if _numbered(one) not in brought]
    if not all(one.attempt.ours for one in left):
        return []
    return sorted(left, key=lambda one: one.attempt.started_at, reverse=True)


def may_come(attempt: Attempt) -> bool:
    """Whether the agent of an attempt at which its session ended may still come: none has, and it may be launched."""
    given_up = attempt.listed and attempt.verdict in _MAY_STILL_COME
    return (attempt.open or given_up) and not attempt.last_agent_sid


def _matched(agents: Sequence[Participant], cut: Sequence[CutShort]) -> list[tuple[Participant, CutShort]]:
    """Each agent with an attempt; none, where not all have one: nobody could tell which of them is ours.

    An attempt whose jobs were listed is only that of an agent of theirs.
    """
    free, matched = sorted(cut, key=lambda one: not one.attempt.identities), list[tuple[Participant, CutShort]]()
    for agent in agents:
        mine = next((one for one in free if agent.known_as in (one.attempt.identities or {agent.known_as})), None)
        if mine is None:
            return []
        free.remove(mine)
        matched.append((agent, mine))
    return matched


def _inherited(session: Session, agent: Participant, cut: CutShort, now: Ms) -> Session:
    key, before = cut.assignment.key, cut.attempt
    wanted = cut.assignment
    remnant = Assignment(
        rule=wanted.rule, policy=wanted.policy, identity=wanted.identity, request=wanted.request, remnant=True
    )
    if session.find(key) is None and len(session.assignments) >= REMNANTS_MAX:
        return session
    assignment = session.find(key) or remnant
    number = assignment.last_number + 1 if assignment.find(before.number) else before.number
    attempt = Attempt(
        number=number,
        target=before.target,
        started_at=before.started_at,
        dispatch=before.dispatch,
        identities=(agent.known_as,),
        belated=True,
        last_agent_sid=agent.sid,
        verdict=Verdict.SURPLUS,
    )
    session = with_assignment(session, with_attempt(assignment, attempt))
    entry = Entry(at=now, said=Said.AGENT_BELATED, assignment=key, number=number, agent=str(attempt.target))
    return with_entry(session, entry)


def _attempts(session: Session) -> Iterator[CutShort]:
    return (CutShort(assignment, attempt) for assignment in session.assignments for attempt in assignment.attempts)


def _asked(one: CutShort) -> tuple[str, Ms, str]:
    """What an attempt is known by in every session that has it. All that one look adopts began in the same instant."""
    return one.assignment.key, one.attempt.started_at, one.attempt.dispatch


def _numbered(one: CutShort) -> tuple[str, int]:
    return one.assignment.key, one.attempt.number


def _ended_at(session: Session) -> Ms:
    """When we heard, or saw, that its room had ended."""
    return next((entry.at for entry in reversed(session.timeline) if entry.said is Said.ROOM_FINISHED), 0)
